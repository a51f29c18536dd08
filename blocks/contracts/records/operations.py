"""What operations leave besides executions: the log of events."""

from datetime import datetime
from typing import Any, ClassVar

from blocks.contracts.records.base import Record


class EventRecord(Record, frozen=True, kw_only=True, tag="platform-event"):
    """An event that was taken in; `id` is `ids.platform_event_id`. The first of an id counts."""

    container: ClassVar[str] = "workflow_workflows"
    append_only: ClassVar[bool] = True
    expires: ClassVar[bool] = True

    event_id: str
    """As its sender named it."""
    event_type: str
    payload: Any
    occurred_at: datetime
    source: str
    digest: str
    """`PlatformEvent.digest`: another event under the same id is refused."""
