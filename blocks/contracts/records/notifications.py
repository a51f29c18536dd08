"""What was notified of, so that nothing is notified of twice."""

from datetime import datetime
from typing import ClassVar

from blocks.contracts.records.base import Record


class NotificationRecord(Record, frozen=True, kw_only=True, tag="notification"):
    """What was sent under one key, under the system tenant; its `id` is computed from the key."""

    container: ClassVar[str] = "workflow_workflows"

    key: str
    sent: int = 0
    """How often something was sent."""
    sent_at: datetime | None = None
    stands: bool = False
    """A problem was notified of, and its all-clear was not."""
    state: str = ""
    """Of that problem, when it was last notified of."""
    held_until: datetime | None = None
    """While a process sends; after that moment, that process is taken for dead."""
