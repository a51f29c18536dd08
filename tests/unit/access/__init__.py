"""Who may call the API, and what their credentials are worth."""
