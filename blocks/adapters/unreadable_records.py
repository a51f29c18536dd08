"""Records that cannot be read: damaged by hand, or written by a newer version. One of them is not
to stop those who go through the records of all tenants.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

import msgspec

from blocks.adapters.record_rules import name, tag
from blocks.contracts.records import Record
from blocks.observability.metrics import work
from blocks.ports import Query, Stored, UnreadableRecord

log = logging.getLogger(__name__)

R = TypeVar("R", bound=Record)
T = TypeVar("T")

_LOGGED_MAX = 1000

_logged: set[str] = set()
"""What was said about which record: the reconciler comes by every few seconds."""


def record_of(kind: type[R], content: str | Mapping[str, Any], tenant_id: str, id: str) -> R:
    """The record that this JSON text or document holds. Raises `UnreadableRecord`."""
    try:
        if isinstance(content, str):
            return msgspec.json.decode(content, type=kind)
        return msgspec.convert(content, kind)
    except msgspec.DecodeError as error:
        raise UnreadableRecord(
            f"{name(kind, id)} of tenant {tenant_id} cannot be read: {error}"
        ) from error


def readable(
    query: Query[R], rows: Iterable[T], read: Callable[[T], Stored[R]]
) -> Iterator[Stored[R]]:
    """What can be read of these rows. Raises `UnreadableRecord` unless the query skips them."""
    for row in rows:
        try:
            yield read(row)
        except UnreadableRecord as error:
            if not query.skips_unreadable:
                raise
            _leave_out(query.kind, error)


def _leave_out(kind: type[Record], error: UnreadableRecord) -> None:
    work.UNREADABLE_RECORDS.labels(tag(kind)).inc()
    if (text := str(error)) not in _logged and len(_logged) < _LOGGED_MAX:
        _logged.add(text)
        log.error("left out: %s", text)
