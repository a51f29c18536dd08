"""Stand-ins over HTTP."""

from datetime import datetime
from typing import Annotated

import msgspec

from api.http.documents import Document
from api.http.lists import ListPage
from blocks.contracts.reading.moments import Moment
from blocks.contracts.records import StandInRecord


class NewStandIn(Document, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who decides in the place of the user of the request, and for how long."""

    stand_in: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    starts_at: Moment | None = None
    """None: at once."""
    ends_at: Moment
    """At most 90 days later."""


class StandIn(Document, frozen=True, kw_only=True):
    """From `startsAt` until `endsAt`, `standIn` may decide where `person` may; `roles` are those
    that the person had when they named the stand-in.
    """

    id: str
    person: str
    stand_in: str
    starts_at: datetime
    ends_at: datetime
    roles: list[str] = msgspec.field(default_factory=list)
    created_at: datetime
    version: int


class StandInList(ListPage, frozen=True, kw_only=True):
    """A page of the tenant's stand-ins; one whose time is over stays until another is named."""

    items: list[StandIn]


def stand_in_of(record: StandInRecord) -> StandIn:
    return msgspec.convert(record, StandIn, from_attributes=True)
