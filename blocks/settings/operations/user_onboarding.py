"""The settings of onboarding; docs/operations/user-onboarding.md."""

from typing import Annotated

import msgspec

from blocks.contracts.reading.limits import TokenOrNone
from blocks.settings.operations.schedule import Started

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class UserOnboarding(Started, frozen=True, kw_only=True):
    """Addresses may hold `{userId}` and `{email}`; empty: there is no such service."""

    welcome_subject: Text
    """Of the mail to a new user."""
    welcome_text: str
    defaults_url: str
    """Sets the defaults of a user."""
    role_url: str
    """Gives a user a role."""
    role: Text
    workspace_url: str
    """Creates the workspace of a user."""
    token: TokenOrNone
    """Sent to these services as `Authorization: Bearer`; empty: none."""

    def __repr__(self) -> str:
        return f"UserOnboarding(role={self.role!r})"
