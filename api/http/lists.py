"""Lists: one envelope, and the same parameters for pages and order, whatever is listed."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar, get_args

from litestar.params import QueryParameter

from api.http.cursors import Cursors
from api.http.documents import Document
from api.http.errors import InvalidRequest, Problem
from api.http.parameters import one_of, text
from blocks.contracts.records import Record
from blocks.ports import Page, Query, RecordStore, Where

LIMIT = 50

Limit = Annotated[int, QueryParameter(description="Items on a page", ge=1, le=100)]
Continuation = Annotated[
    str | None,
    text("The `continuation` of the page before, with the same filters", max_length=2000),
]
NewestOrOldest = Literal["newest", "oldest"]
Order = Annotated[NewestOrOldest, one_of(get_args(NewestOrOldest), "Which item comes first")]

R = TypeVar("R", bound=Record)
T = TypeVar("T")

_PLACE = re.compile(r"[1-9][0-9]{0,5}")


class ListPage(Document, frozen=True, kw_only=True):
    """Base of all lists; `continuation`, when there is one, asks for the next page."""

    items: list[Any]
    continuation: str | None = None
    total: int | None = None
    """On all pages together; only where it is known without counting."""


async def page_of(
    store: RecordStore,
    tenant_id: str,
    kind: type[R],
    where: Where,
    *,
    limit: int,
    continuation: str | None,
    also: Mapping[str, Any] = {},
    order: NewestOrOldest = "newest",
) -> Page[R]:
    """A page of the tenant's records that match; a condition that is None is none.

    `also` are the caller's conditions that the store does not know.

    Raises `InvalidRequest` for a continuation of another list or of other conditions.
    """
    where = {name: value for name, value in where.items() if value is not None}
    if order == "oldest":
        also = {**also, "order": "oldest"}
    cursors = Cursors(tenant_id, kind, where, also)
    try:
        place = cursors.place(continuation)
        query = Query(
            kind,
            where,
            newest_first=order == "newest",
            limit=limit,
            continuation=place,
            skips_unreadable=True,
        )
        page = await store.query(tenant_id, query)
    except ValueError:
        if continuation is None:
            raise
        raise _of_another_list() from None
    return Page(page.items, cursors.given(page.continuation))


def part_of(
    everything: Sequence[T], *, limit: int, continuation: str | None
) -> tuple[list[T], str | None]:
    """A page of a list that is at hand and only ever grows at its end, and its continuation.

    Raises `InvalidRequest` for one that is no place in the list.
    """
    if continuation is not None and not _PLACE.fullmatch(continuation):
        raise _of_another_list()
    end = (begin := int(continuation or 0)) + limit
    if begin > len(everything):
        raise _of_another_list()
    return list(everything[begin:end]), str(end) if end < len(everything) else None


def any_of(
    values: Sequence[str] | None,
    spelled: Callable[[str], tuple[str, ...]] = lambda value: (value,),
) -> tuple[str, ...] | None:
    """The condition that a field has one of these values, in any of its spellings; None: there is
    none.
    """
    return (
        tuple(dict.fromkeys(one for value in values for one in spelled(value))) if values else None
    )


def _of_another_list() -> InvalidRequest:
    message = "Not a continuation of this list with these filters"
    return InvalidRequest(Problem(field="continuation", message=message, source="query"))
