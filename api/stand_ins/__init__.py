"""Who decides approvals in the place of a person who is absent, over HTTP."""

from api.stand_ins import errors

__all__ = ["errors"]  # whoever imports from here has its errors answered
