"""The one door through which documents of the older service become records, for both stores.

A document without `kind` cannot be listed in our order by the database: it has no sort key, and its
moments are text. So those that may match are read, at most one tenant's, and merged with our own
records here. `orchestrator migrate` makes records of them; then there is nothing left to merge.
"""

import logging
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import msgspec

from blocks.adapters.record_pages import key_before
from blocks.adapters.record_rules import Wanted, ages, conditions, sort_key, tag
from blocks.adapters.unreadable_records import record_of
from blocks.contracts.older_service import OLDER_FORMS, OlderWorkflow, Unreadable
from blocks.contracts.records import Record
from blocks.ports import Contains, NotAbove, Query, Stored, Where

log = logging.getLogger(__name__)

R = TypeVar("R", bound=Record)

Documents = Iterable[tuple[Mapping[str, Any], str]]
"""Each with its ETag."""


def decoded(kind: type[R], document: Mapping[str, Any]) -> R | None:
    """The record that a document holds; None: it holds none of this kind, or it is `Unreadable`."""
    if "kind" in document:
        if document["kind"] != tag(kind):
            return None
        return record_of(kind, document, str(document.get("tenantId")), str(document.get("id")))
    form = OLDER_FORMS.get(kind)
    if form is None:
        return None
    try:
        record = form.read(document)
    except Unreadable as error:
        log.warning("document %s in %s is left out: %s", document.get("id"), kind.container, error)
        return None
    assert isinstance(record, kind)
    return record


def may_match(kind: type[Record], where: Where) -> bool:
    """False: no document of the older service can, whatever it holds."""
    form = OLDER_FORMS.get(kind)
    if form is None:
        return False
    possible = {**{key: (value,) for key, value in form.constant.items()}, **form.choices}
    return all(
        any(_holds(value, wanted) for value in possible[key])
        for key, wanted in conditions(kind, where).items()
        if key in possible
    )


def narrowed(kind: type[Record], where: Where) -> dict[str, list[str]]:
    """Key of a document to the texts that its value must be among, if it is a text."""
    form = OLDER_FORMS[kind]
    return {
        form.verbatim[key]: wanted
        for key, wanted in conditions(kind, where).items()
        if key in form.verbatim
        and isinstance(wanted, list)
        and all(isinstance(one, str) for one in wanted)
    }


def matching(kind: type[R], where: Where, documents: Documents) -> list[Stored[R]]:
    """Those that match, as records, in no order."""
    wanted, limits = conditions(kind, where), ages(where)
    found = (
        Stored(record, etag)
        for document, etag in documents
        if "kind" not in document and (record := decoded(kind, document))
    )
    return [stored for stored in found if _matches(stored.record, wanted, limits)]


def merged(
    tenant_id: str, query: Query[R], ours: list[Stored[R]], older: list[Stored[R]]
) -> list[Stored[R]]:
    """One page of both in the order of the query, and one record more."""
    before, down = key_before(tenant_id, query), query.newest_first
    following = [
        stored
        for stored in older
        if before is None or (sort_key(stored.record) < before) is down
        if sort_key(stored.record) != before
    ]
    every = sorted([*ours, *following], key=lambda stored: sort_key(stored.record), reverse=down)
    return every[: query.limit + 1]


def is_only_older(kind: type[Record]) -> bool:
    """Whether no record of this kind is ever written, so that a database has none to look for."""
    return kind is OlderWorkflow


def _matches(record: Record, wanted: Mapping[str, Wanted], limits: list[tuple[str, str]]) -> bool:
    fields, key = msgspec.to_builtins(record), sort_key(record)
    return all(_holds(fields.get(name), one) for name, one in wanted.items()) and all(
        key >= bound if comparison == ">=" else key < bound for comparison, bound in limits
    )


def _holds(value: Any, wanted: Wanted) -> bool:
    """A condition as the databases judge it."""
    match wanted:
        case NotAbove():
            return value is None or value <= wanted.value
        case Contains():
            return isinstance(value, list | tuple) and not set(wanted.any_of).isdisjoint(value)
        case _:
            return value in wanted
