"""`/claims`: the journeys of claim recovery, one of them, and what people do about it."""

from typing import Annotated, Any, Literal, get_args
from urllib.parse import quote, urlencode

import msgspec
from litestar import Request, Response, get, post
from litestar.params import PathParameter, QueryParameter
from litestar.response import Redirect

from api.access.actor import Caller
from api.access.tenancy import TenantId
from api.claims.acts import cancel, retry
from api.claims.documents import summary_of
from api.claims.evidence.prompt_documents import PromptAnswer
from api.claims.evidence.prompts import answer
from api.claims.reading import found_journey, shown_journey, stored_journey
from api.http.lists import Continuation, page_of
from api.http.parameters import one_of
from api.http.records import Bus, Engine, Store
from api.pages.addresses import own_path
from api.pages.claims.shown import money, open_prompts, progress_of, totals_of
from api.pages.forms import Form, form_in
from api.pages.messages import flash
from api.pages.rendering import is_part, page
from blocks.contracts.claims.phases import TOTAL_STEPS, WORKFLOW
from blocks.contracts.records import ExecutionRecord
from blocks.contracts.roles import allows
from blocks.contracts.states import TERMINAL

PAGE_SIZE = 25
LINES = 50
"""Of the log, the newest."""

Status = Literal["all", "pending", "running", "waiting", "completed", "failed", "cancelled"]
SyncPath = Annotated[str, PathParameter(name="syncId")]
PromptPath = Annotated[str, PathParameter(name="promptId")]
User = Annotated[str, QueryParameter(name="userId", max_length=200)]


class AnswerForm(Form, frozen=True, kw_only=True):
    """The option that was chosen."""

    option: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    reasoning: Annotated[str, msgspec.Meta(max_length=4000)] | None = None
    back: str = "/claims"


class JourneyForm(Form, frozen=True, kw_only=True):
    """Whose journey, and why it is cancelled."""

    user_id: Annotated[str, msgspec.Meta(max_length=200)] | None = None
    reason: Annotated[str, msgspec.Meta(max_length=500)] = "cancelled by request"


@get("/claims")
async def show_journeys(
    request: Request[Any, Any, Any],
    store: Store,
    tenant_id: TenantId,
    status: Annotated[Status, one_of(get_args(Status), "In which status")] = "all",
    user_id: User = "",
    continuation: Continuation = None,
) -> Response[Any]:
    """The tenant's journeys, newest first."""
    where = {
        "workflow": WORKFLOW,
        "status": None if status == "all" else status,
        "subject": user_id.strip() or None,
    }
    found = await page_of(
        store,
        tenant_id,
        ExecutionRecord,
        where,
        limit=PAGE_SIZE,
        continuation=continuation or None,
    )
    return page(
        "claims/list.html" if is_part(request) else "claims/journeys.html",
        items=[summary_of(stored.record) for stored in found.items],
        total_steps=TOTAL_STEPS,
        wanted=status,
        user_id=user_id.strip(),
        continuation=continuation,
        following=found.continuation,
        address=_address,
    )


@get("/claims/{syncId:str}")
async def show_journey(
    request: Request[Any, Any, Any],
    store: Store,
    tenant_id: TenantId,
    sync_id: SyncPath,
    user_id: User = "",
) -> Response[Any]:
    """The journey: where it is, its claims, money and documents, and questions to answer."""
    journey = await shown_journey(
        store, await found_journey(store, tenant_id, sync_id, user_id or None)
    )
    prompts = await open_prompts(store, tenant_id, journey)
    return page(
        "claims/facts.html" if is_part(request) else "claims/journey.html",
        journey=journey,
        steps=progress_of(journey, prompts),
        prompts=prompts,
        totals=totals_of(journey),
        lines=journey.timeline[-LINES:][::-1],
        money=money,
        address=_address(journey.sync_id, journey.user_id),
        path=f"/claims/{quote(journey.sync_id, safe='')}",
        may_answer=allows(request.user.roles, "approver"),
        may_operate=allows(request.user.roles, "operator"),
        can_be_retried=journey.status in ("failed", "cancelled") or bool(journey.failed_step),
        can_be_cancelled=journey.status not in TERMINAL,
    )


@post("/claims/{syncId:str}/retry")
async def retry_journey_on_page(
    request: Request[Any, Any, Any],
    store: Store,
    bus: Bus,
    tenant_id: TenantId,
    actor: Caller,
    sync_id: SyncPath,
) -> Response[Any]:
    """Its failed phases are requested once more."""
    form = await form_in(request, JourneyForm)
    known = await stored_journey(store, tenant_id, sync_id, form.user_id)
    await retry(store, bus, known, actor.on_record)
    flash(request, "Under way again; what was done is kept.", "done")
    return Redirect(_address(sync_id, form.user_id), status_code=303)


@post("/claims/{syncId:str}/cancel")
async def cancel_journey_on_page(
    request: Request[Any, Any, Any],
    store: Store,
    bus: Bus,
    flow_runs: Engine,
    tenant_id: TenantId,
    sync_id: SyncPath,
) -> Response[Any]:
    """It is cancelled, and ignores what comes later until it is retried."""
    form = await form_in(request, JourneyForm)
    known = await stored_journey(store, tenant_id, sync_id, form.user_id)
    await cancel(store, bus, flow_runs, known, form.reason)
    flash(request, "Cancelled.", "done")
    return Redirect(_address(sync_id, form.user_id), status_code=303)


@post("/evidence/prompts/{promptId:str}/answer")
async def answer_prompt_on_page(
    request: Request[Any, Any, Any],
    store: Store,
    bus: Bus,
    flow_runs: Engine,
    tenant_id: TenantId,
    actor: Caller,
    prompt_id: PromptPath,
) -> Response[Any]:
    """The answer is a decision; one that does not count is said to be none, and why."""
    form = await form_in(request, AnswerForm)
    given = PromptAnswer(selected_option=form.option, reasoning=form.reasoning)
    result = await answer(store, bus, flow_runs, tenant_id, actor, prompt_id, given, "page")
    flash(request, result.message, "done" if result.success else "problem")
    return Redirect(own_path(form.back), status_code=303)


def _address(sync_id: str, user_id: str | None) -> str:
    """Of a journey's page: users may have syncs of the same id."""
    query = f"?{urlencode({'userId': user_id})}" if user_id else ""
    return f"/claims/{quote(sync_id, safe='')}{query}"
