"""`/inbox`: what waits for the person who looks, and deciding several of it at once."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, Response, get, post
from litestar.params import QueryParameter
from litestar.response import Redirect

from api.access.actor import Caller
from api.access.tenancy import TenantId
from api.approvals.decisions import decide_many
from api.approvals.documents import Comment, OneOfMany
from api.approvals.requests import page_of_approvals
from api.http.errors import answer_of
from api.http.lists import Continuation
from api.http.parameters import one_of
from api.http.records import Bus, Engine, Store
from api.pages.addresses import own_path
from api.pages.forms import Form, form_in
from api.pages.messages import flash
from api.pages.rendering import is_part, page
from blocks.approvals.decisions import (
    AlreadyDecided,
    Expired,
    InvalidVote,
    Refused,
    StageDecided,
)
from blocks.approvals.standing import standing
from blocks.clock import utc_now
from blocks.contracts.claims.prompts import GATE
from blocks.contracts.records import ApprovalRecord
from blocks.contracts.roles import allows
from blocks.ports import RecordStore, Unavailable

PAGE_SIZE = 25

_NAME_MAX = 60
"""Of what a message is about."""

Kind = Literal["all", "approvals", "prompts"]
Whose = Literal["mine", "all"]


class Waiting(msgspec.Struct, frozen=True):
    """One thing that waits."""

    approval: ApprovalRecord
    is_overdue: bool

    @property
    def is_prompt(self) -> bool:
        return self.approval.gate == GATE

    @property
    def can_be_decided_here(self) -> bool:
        """Without more than a reason: nothing has to be filled in."""
        return self.approval.form_schema is None and not self.is_prompt


class Chosen(msgspec.Struct, frozen=True):
    """The filters."""

    kind: Kind
    whose: Whose
    continuation: str | None


Ticked = Annotated[str, msgspec.Meta(max_length=300)]


class SeveralDecisions(Form, frozen=True, kw_only=True):
    """One decision about all that were ticked."""

    ids: Annotated[list[Ticked], msgspec.Meta(max_length=100)] = msgspec.field(default_factory=list)
    """Each with the stage that was shown, after a space: a decision about another is refused."""
    outcome: Literal["approved", "rejected"]
    reason: Comment | None = None
    back: str = "/inbox"


@get("/inbox")
async def show_inbox(
    request: Request[Any, Any, Any],
    store: Store,
    tenant_id: TenantId,
    actor: Caller,
    kind: Annotated[Kind, one_of(("all", "approvals", "prompts"), "Which kind")] = "all",
    whose: Annotated[
        Literal["mine", "all"] | None, QueryParameter(description="Whose decisions")
    ] = None,
    continuation: Continuation = None,
) -> Response[Any]:
    """What waits; the first page begins with what is overdue, then the oldest."""
    may_decide = allows(request.user.roles, "approver") and bool(actor.id)
    chosen = Chosen(kind, whose or ("mine" if may_decide else "all"), continuation)
    if chosen.whose == "mine" and not actor.id:
        chosen = msgspec.structs.replace(chosen, whose="all")
    items, following = await _items(store, tenant_id, actor, chosen, utc_now())
    return page(
        "inbox/list.html" if is_part(request) else "inbox/inbox.html",
        items=items,
        chosen=chosen,
        following=following,
        counts=await _counts(store, tenant_id),
        may_decide=may_decide,
        has_name=bool(actor.id),
    )


@post("/inbox")
async def decide_in_inbox(
    request: Request[Any, Any, Any],
    store: Store,
    bus: Bus,
    flow_runs: Engine,
    tenant_id: TenantId,
    actor: Caller,
) -> Response[Any]:
    """Each that was ticked is decided on its own; the inbox says how many were, and why not."""
    form = await form_in(request, SeveralDecisions)
    back = Redirect(own_path(form.back), status_code=303)
    if not form.ids:
        flash(request, "Tick what you want to decide.", "problem")
        return back
    ticked = [one.partition(" ") for one in form.ids]
    decisions = [
        OneOfMany(id=id, outcome=form.outcome, reason=form.reason, stage=stage)
        for id, _, stage in ticked
    ]
    results = await decide_many(store, bus, flow_runs, tenant_id, actor, decisions, "page")
    _announce(request, form.outcome, results)
    return back


def _announce(
    request: Request[Any, Any, Any], outcome: str, results: Sequence[ApprovalRecord | Exception]
) -> None:
    """How many were decided; and how each other one stands now, or why it was not taken."""
    voted = [one for one in results if isinstance(one, ApprovalRecord)]
    if decided := sum(one.status == outcome for one in voted):
        flash(request, f"{decided} {outcome}.", "done")
    pending = [one for one in voted if one.status == "pending"]
    for text, count in Counter(f"{_name(one)}: {standing(one)}" for one in pending).items():
        flash(request, f"On the record. {_times(count)}{text}", "done")
    refused = [_why_not(one) for one in results if isinstance(one, Exception)]
    for text, count in Counter(refused).items():
        flash(request, f"{_times(count)}{text}", "problem")


def _why_not(error: Exception) -> str:
    match error:
        case StageDecided(approval=one):
            return f"{_name(one)}: not taken, another stage is asked now. {standing(one)}"
        case AlreadyDecided(approval=one) | Expired(approval=one):
            return f"{_name(one)}: not taken, it is already decided. {standing(one)}"
        case InvalidVote(approval=one):
            return f"{_name(one)}: not taken, {error.field} {error.reason}."
        case Refused(approval=one):
            return f"{_name(one)}: not taken. {answer_of(error).message}."
        case Unavailable():
            return "not known to be decided: the store does not answer. Try again."
        case _:
            return f"not taken: {answer_of(error).message}."


def _name(approval: ApprovalRecord) -> str:
    return approval.about[:_NAME_MAX]


def _times(count: int) -> str:
    return f"{count} times: " if count > 1 else ""


async def _items(
    store: RecordStore, tenant_id: str, actor: Caller, chosen: Chosen, now: datetime
) -> tuple[list[Waiting], str | None]:
    where = {"status": "pending"} | _of_kind(chosen.kind)
    mine = actor if chosen.whose == "mine" else None

    async def some(overdue_at: datetime | None) -> tuple[list[ApprovalRecord], str | None]:
        return await page_of_approvals(
            store,
            tenant_id,
            where,
            mine=mine,
            overdue_at=overdue_at,
            limit=PAGE_SIZE,
            continuation=None if overdue_at else chosen.continuation,
            order="oldest",
        )

    overdue = (await some(now))[0] if chosen.continuation is None else []
    others, following = await some(None)
    known = {one.id for one in overdue}
    both = [*overdue, *(one for one in others if one.id not in known)]
    items = [_waiting(one, now) for one in both]
    return [one for one in items if chosen.kind != "approvals" or not one.is_prompt], following


def _waiting(approval: ApprovalRecord, now: datetime) -> Waiting:
    ends = [at for at in (approval.due_at, approval.expires_at) if at is not None]
    return Waiting(approval, bool(ends) and min(ends) <= now)


def _of_kind(kind: Kind) -> dict[str, Any]:
    return {"gate": GATE} if kind == "prompts" else {}


async def _counts(store: RecordStore, tenant_id: str) -> dict[str, int]:
    pending = {"status": "pending"}
    everything = await store.count(tenant_id, ApprovalRecord, pending)
    prompts = await store.count(tenant_id, ApprovalRecord, pending | _of_kind("prompts"))
    return {"all": everything, "approvals": everything - prompts, "prompts": prompts}
