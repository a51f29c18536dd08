"""Who asks, for which tenant, and whether they may."""

from api.access import errors

__all__ = ["errors"]  # whoever imports from here has its errors answered
