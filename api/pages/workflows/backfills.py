"""`/jobs/{job}/backfill`: a range of days in pieces, and how far each piece is.

Nothing is kept about a backfill but its triggers: the same range, piece and request computes the
same executions, so its address shows its progress, and sending it again sends what is missing.
"""

import asyncio
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from datetime import date
from typing import Annotated, Any, TypeVar
from urllib.parse import urlencode

import msgspec
from litestar import Request, Response, get, post
from litestar.params import QueryParameter
from litestar.response import Redirect

from api.access.errors import NotForTenants
from api.access.tenancy import TenantId
from api.http.records import Bus, Store
from api.pages.forms import Form, form_in
from api.pages.rendering import is_part, page
from api.pages.workflows.routes import JobPath, Key
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.records import ExecutionRecord
from blocks.jobs import backfills, triggers
from blocks.jobs.backfills import Backfill, Piece
from blocks.ports import RecordStore, Unavailable

PIECES_MAX = 100
"""Of one backfill from a page; the command line sends more, at a rate."""

_AT_ONCE = 10

T = TypeVar("T")


class BackfillForm(Form, frozen=True, kw_only=True):
    """The days, both included, and how many make a trigger."""

    begin: Annotated[str, msgspec.Meta(max_length=10)] = msgspec.field(name="from")
    to: Annotated[str, msgspec.Meta(max_length=10)]
    days: Annotated[int, msgspec.Meta(ge=1, le=3650)] = 7
    key: Key


class PieceShown(msgspec.Struct, frozen=True):
    """A piece and its run; None: it has not been accepted."""

    first: date
    last: date
    run: ExecutionRecord | None

    @property
    def has_ended(self) -> bool:
        return self.run is not None and self.run.is_terminal


@post("/jobs/{job:str}/backfill")
async def start_backfill(
    request: Request[Any, Any, Any], store: Store, bus: Bus, tenant_id: TenantId, job: JobPath
) -> Response[Any]:
    """Every piece is accepted, which is durable, before the first is sent; what a failure leaves
    unsent, the reconciler sends.
    """
    form = await form_in(request, BackfillForm)
    backfill = _plan(tenant_id, job, form)
    await bus.ping()  # an unavailable broker leaves no record behind
    accepted = await _in_turn(
        [triggers.accept(store, backfill.request(piece)) for piece in backfill.pieces]
    )
    # What cannot be sent now shows as pending, until the reconciler has sent it.
    with suppress(Unavailable):
        await _in_turn([triggers.send(store, bus, stored) for stored in accepted])
    query = urlencode({"from": form.begin, "to": form.to, "days": form.days, "key": form.key})
    return Redirect(f"/jobs/{job}/backfill?{query}", status_code=303)


@get("/jobs/{job:str}/backfill")
async def show_backfill(
    request: Request[Any, Any, Any],
    store: Store,
    tenant_id: TenantId,
    job: JobPath,
    begin: Annotated[str, QueryParameter(name="from", max_length=10)],
    to: Annotated[str, QueryParameter(max_length=10)],
    key: Annotated[str, QueryParameter(min_length=8, max_length=100, pattern=r"^[A-Za-z0-9-]+$")],
    days: Annotated[int, QueryParameter(ge=1, le=3650)] = 7,
) -> Response[Any]:
    """How far it is, piece by piece."""
    form = BackfillForm(begin=begin, to=to, days=days, key=key)
    backfill = _plan(tenant_id, job, form)
    pieces = await asyncio.gather(*(_piece(store, backfill, one) for one in backfill.pieces))
    return page(
        "workflows/progress.html" if is_part(request) else "workflows/backfill.html",
        job=backfill.job,
        form=form,
        pieces=pieces,
        accepted=sum(one.run is not None for one in pieces),
        ended=sum(one.has_ended for one in pieces),
        failed=sum(one.has_ended and one.run.status != "completed" for one in pieces if one.run),
        query=urlencode({"from": begin, "to": to, "days": days, "key": key}),
    )


def _plan(tenant_id: str, job: str, form: BackfillForm) -> Backfill:
    """Raises `NotForTenants`, `InvalidTrigger`."""
    if tenant_id != SYSTEM_TENANT:
        raise NotForTenants
    return backfills.plan(
        job,
        first=form.begin,
        last=form.to,
        days=form.days,
        most=PIECES_MAX,
        request_id=form.key,
        triggered_by="api",
    )


async def _in_turn(acts: Sequence[Awaitable[T]]) -> list[T]:
    """The results, a few at the same time."""
    limit = asyncio.Semaphore(_AT_ONCE)

    async def act(one: Awaitable[T]) -> T:
        async with limit:
            return await one

    return list(await asyncio.gather(*map(act, acts)))


async def _piece(store: RecordStore, backfill: Backfill, piece: Piece) -> PieceShown:
    return PieceShown(*piece, await triggers.run_of(store, backfill.request(piece)))
