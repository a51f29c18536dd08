"""A tenant's webhooks, over HTTP."""

from api.webhooks import errors

__all__ = ["errors"]  # whoever imports from here has its errors answered
