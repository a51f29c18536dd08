"""Approvals: over HTTP, by a link, on a page."""

from api.approvals import errors

__all__ = ["errors"]  # whoever imports from here has its errors answered
