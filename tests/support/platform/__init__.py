"""What the services around this one do, written from their contract alone."""
