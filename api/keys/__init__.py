"""A tenant's API keys, over HTTP."""

from api.keys import errors

__all__ = ["errors"]  # whoever imports from here has its errors answered
