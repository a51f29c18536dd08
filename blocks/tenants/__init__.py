"""What is kept per tenant: the directory, shares of the dispatcher, places of limited things, usage."""
