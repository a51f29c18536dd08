"""A tenant's refused messages: listed, edited, replayed, discarded."""

from api.dead_letters import errors

__all__ = ["errors"]  # whoever imports from here has its errors answered
