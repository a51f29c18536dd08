"""A tenant's API keys, over HTTP."""
