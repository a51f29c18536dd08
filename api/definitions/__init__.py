"""A tenant's definitions of workflows, over HTTP."""

from api.definitions import errors

__all__ = ["errors"]  # whoever imports from here has its errors answered
