"""A tenant's executions: read, listed and acted upon, under current and older routes."""
