"""The selection of dead letters: by a list, and by a replay or a discard of many."""

from datetime import datetime
from typing import Any

import msgspec

from blocks.contracts.records.dead_letters import LetterStatus
from blocks.ports import Between, Where


class LetterFilter(msgspec.Struct, frozen=True, kw_only=True):
    """All of what is given must hold."""

    code: str | None = None
    event_type: str | None = None
    queue: str | None = None
    status: LetterStatus | None = None
    refused_before: datetime | None = None
    """The first time."""

    def where(self) -> Where:
        """For a query of `DeadLetterRecord`."""
        named: dict[str, Any] = {
            "code": self.code,
            "event_type": self.event_type,
            "queue": self.queue,
            "status": self.status,
            "created_at": Between(until=self.refused_before) if self.refused_before else None,
        }
        return {name: value for name, value in named.items() if value is not None}
