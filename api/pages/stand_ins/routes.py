"""`/stand-ins`: who decides for whom, and naming one for an absence of one's own."""

from datetime import timedelta
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get, post
from litestar.response import Redirect

from api.access.actor import Caller
from api.access.identity import Actor
from api.access.tenancy import TenantId
from api.http.errors import InvalidRequest, answer_of, body_of
from api.http.lists import Continuation, page_of
from api.http.records import Store
from api.pages.days import day_of
from api.pages.forms import Form, form_in
from api.pages.messages import flash
from api.pages.rendering import page
from api.stand_ins.routes import StandInPath, end_by, may_end
from blocks.approvals import stand_ins
from blocks.approvals.stand_ins import SPAN_MAX, HasStandIn, InvalidStandIn
from blocks.clock import utc_now
from blocks.contracts.records import StandInRecord
from blocks.contracts.roles import allows
from blocks.ports import RecordStore

PAGE_SIZE = 50

Text = Annotated[str, msgspec.Meta(max_length=200)]


class StandInForm(Form, frozen=True, kw_only=True):
    """Whom, and for which days, both included."""

    stand_in: Text = ""
    begin: Text = msgspec.field(name="from", default="")
    to: Text = ""


class EndForm(Form, frozen=True, kw_only=True):
    """Which one the person has read."""

    version: Annotated[int, msgspec.Meta(ge=1)]


@get("/stand-ins")
async def show_stand_ins(
    request: Request[Any, Any, Any],
    store: Store,
    tenant_id: TenantId,
    actor: Caller,
    continuation: Continuation = None,
) -> Response[Any]:
    """Who stands in for whom, and the form."""
    return await _shown(request, store, tenant_id, actor, continuation=continuation)


@post("/stand-ins")
async def name_stand_in_on_page(
    request: Request[Any, Any, Any], store: Store, tenant_id: TenantId, actor: Caller
) -> Response[Any]:
    """The stand-in decides for the person on these days; or the form again, with what is wrong."""
    form = await form_in(request, StandInForm)
    try:
        begins, last = day_of("from", form.begin, "body"), day_of("to", form.to, "body")
        if last is None:
            raise InvalidStandIn("to", "must be given")
        named = await stand_ins.name_stand_in(
            store,
            tenant_id,
            actor.named,
            form.stand_in,
            max(begins or utc_now(), utc_now()),
            last + timedelta(days=1),
            roles=actor.roles,
            other_names=actor.other_names,
        )
    except (InvalidRequest, InvalidStandIn, HasStandIn) as error:
        return await _shown(request, store, tenant_id, actor, form, error)
    flash(request, f"{named.stand_in} decides for you.", "done")
    return _back()


@post("/stand-ins/{standInId:str}/end")
async def end_stand_in_on_page(
    request: Request[Any, Any, Any],
    store: Store,
    tenant_id: TenantId,
    actor: Caller,
    stand_in_id: StandInPath,
) -> Response[Any]:
    """No one decides for this person any more."""
    form = await form_in(request, EndForm)
    await end_by(store, tenant_id, actor, stand_in_id, form.version)
    flash(request, "Ended: no one decides in this place any more.", "done")
    return _back()


async def _shown(
    request: Request[Any, Any, Any],
    store: RecordStore,
    tenant_id: str,
    actor: Actor,
    form: StandInForm | None = None,
    error: Exception | None = None,
    continuation: str | None = None,
) -> Response[Any]:
    found = await page_of(
        store, tenant_id, StandInRecord, {}, limit=PAGE_SIZE, continuation=continuation
    )
    now = utc_now()
    return page(
        "stand_ins/stand_ins.html",
        answer_of(error).status if error else 200,
        items=[(one.record, _state(one.record), may_end(actor, one.record)) for one in found.items],
        continuation=continuation,
        following=found.continuation,
        may_name=bool(actor.id) and allows(actor.roles, "approver"),
        form=form or StandInForm(begin=f"{now:%Y-%m-%d}"),
        problem=_in_words(error) if error else "",
        days_max=SPAN_MAX.days,
    )


def _state(one: StandInRecord) -> str:
    now = utc_now()
    return "active" if one.covers(now) else "scheduled" if one.starts_at > now else "ended"


def _in_words(error: Exception) -> str:
    body = body_of(error)
    return "; ".join(
        f"{_LABELS.get(one.field or '', one.field)} {one.message}" for one in body.details or ()
    ) or (body.message)


_LABELS = {"standIn": "Who decides", "startsAt": "From", "endsAt": "To", "from": "From", "to": "To"}


def _back() -> Redirect:
    return Redirect("/stand-ins", status_code=303)
