"""API keys and signed links: what opens a door, and for whom."""
