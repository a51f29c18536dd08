"""Which of its tenant's events a follower wants."""

import msgspec

from api.http.errors import InvalidRequest, Problem
from api.live.events import LIVE, LiveEvent
from blocks.contracts.reading.uuids import matching_id

VALUES_MAX = 10
LENGTH_MAX = 200


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """An event passes when every field that is given fits it."""

    workflow: str | None = None
    subject: str | None = None
    execution_id: str | None = None
    types: frozenset[str] = frozenset()

    def passes(self, event: LiveEvent) -> bool:
        return (
            self.workflow in (None, event.workflow)
            and _same(self.subject, event.subject)
            and _same(self.execution_id, event.execution_id)
            and (not self.types or event.type in self.types)
        )


def _same(wanted: str | None, id: str | None) -> bool:
    return wanted is None or (id is not None and matching_id(wanted) == matching_id(id))


def types_in(stated: str | None) -> frozenset[str]:
    """The event types in a comma-separated list. Raises `InvalidRequest` unless all are `LIVE`."""
    types = frozenset(word.strip() for word in (stated or "").split(",") if word.strip())
    if unknown := sorted(types - LIVE.keys()):
        message = f"unknown: {unknown[0][:80]!r}; known: {', '.join(LIVE)}"
        raise InvalidRequest(Problem(field="types", message=message, source="query"))
    return types
