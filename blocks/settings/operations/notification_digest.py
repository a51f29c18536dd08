"""The settings of the notification digest; docs/operations/notification-digest.md."""

from typing import Annotated

import msgspec

from blocks.settings.operations.schedule import Scheduled


class NotificationDigest(Scheduled, frozen=True, kw_only=True):
    collects: str
    """Types of the events that are notifications of users, separated by commas; empty: none."""
    subject: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    """Of the mail."""
