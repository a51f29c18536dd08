"""A tenant's executions: read, listed and acted upon, under current and older routes."""

from api.executions import errors

__all__ = ["errors"]  # whoever imports from here has its errors answered
