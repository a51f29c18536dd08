"""The scheduled batch jobs."""

from api.jobs import errors

__all__ = ["errors"]  # whoever imports from here has its errors answered
