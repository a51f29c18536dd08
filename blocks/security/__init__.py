"""API keys and signed links: credentials, and what they permit."""
