"""`/api/v1/claims`: the journeys of claim recovery, and how one is retried or cancelled."""

from typing import Annotated, get_args

from litestar import get, post
from litestar.params import JSONBody, PathParameter

from api.access.actor import Caller
from api.access.tenancy import TenantId
from api.claims import examples
from api.claims.acts import cancel, retry
from api.claims.documents import (
    Journey,
    JourneyLogPage,
    JourneyPage,
    JourneySummary,
    summary_of,
)
from api.claims.errors import JourneyNotFound
from api.claims.reading import (
    all_journeys,
    found_journey,
    line_of,
    shown_journey,
    stored_journey,
)
from api.documentation.openapi import documented
from api.executions.documents import Cancellation
from api.executions.errors import ExecutionEnded
from api.http.errors import Changed
from api.http.etags import IfMatch
from api.http.lists import LIMIT, Continuation, Limit, Order, any_of, page_of
from api.http.parameters import Bound, Texts, between, moment, text, texts, words
from api.http.records import Bus, Engine, Store
from api.idempotency import KEY_ERRORS
from blocks.actions import retrying
from blocks.claims import journeys
from blocks.contracts.claims.phases import WORKFLOW
from blocks.contracts.records import ExecutionRecord
from blocks.contracts.records.claims import PhaseLogEntry
from blocks.contracts.states import ExecutionStatus

SyncPath = Annotated[
    str, PathParameter(name="syncId", description="Of the sync, or a claim's default, `claim_7`")
]
UserId = Annotated[
    str | None,
    text(
        "Whose sync it is; without it, the newest journey of any user under this id", name="userId"
    ),
]


@get(
    "/claims",
    summary="List journeys of claim recovery",
    tags=["Claim recovery"],
    responses=documented(examples.JOURNEY_PAGE),
)
async def list_journeys(
    store: Store,
    tenant_id: TenantId,
    user_id: Annotated[Texts, texts("Only of this user", name="userId")] = None,
    status: Annotated[
        list[ExecutionStatus] | None, words(get_args(ExecutionStatus), "Only in this status")
    ] = None,
    created_after: Annotated[
        Bound | None, moment("createdAfter", "Only those created then or later")
    ] = None,
    created_before: Annotated[
        Bound | None, moment("createdBefore", "Only those created before that")
    ] = None,
    order: Order = "newest",
    limit: Limit = LIMIT,
    continuation: Continuation = None,
) -> JourneyPage:
    """The tenant's journeys. No `continuation` in the answer: the last page."""
    where = {
        "workflow": WORKFLOW,
        "status": any_of(status),
        "subject": any_of(user_id),
        "created_at": between(created_after, created_before),
    }
    page = await page_of(
        store,
        tenant_id,
        ExecutionRecord,
        where,
        limit=limit,
        continuation=continuation,
        order=order,
    )
    return JourneyPage(
        items=[summary_of(stored.record) for stored in page.items],
        continuation=page.continuation,
    )


@get(
    "/claims/{syncId:str}",
    summary="Read one journey",
    tags=["Claim recovery"],
    responses=documented(examples.JOURNEY, JourneyNotFound),
)
async def read_journey(
    store: Store, tenant_id: TenantId, sync_id: SyncPath, user_id: UserId = None
) -> Journey:
    """The journey with its phases, claims, money, proof packets, questions and timeline."""
    return await shown_journey(store, await found_journey(store, tenant_id, sync_id, user_id))


@get(
    "/claims/{syncId:str}/audit",
    summary="Read a journey's log",
    tags=["Claim recovery"],
    responses=documented(examples.JOURNEY_LOG, JourneyNotFound),
)
async def read_journey_log(
    store: Store,
    tenant_id: TenantId,
    sync_id: SyncPath,
    user_id: UserId = None,
    order: Order = "oldest",
    limit: Limit = LIMIT,
    continuation: Continuation = None,
) -> JourneyLogPage:
    """What happened to each phase, by which trigger, how long it took and why it failed."""
    journey = await found_journey(store, tenant_id, sync_id, user_id)
    claims = [one.record for one in await journeys.claims_of(store, tenant_id, journey.id)]
    page = await page_of(
        store,
        tenant_id,
        PhaseLogEntry,
        {"execution_id": all_journeys(journey, claims)},
        limit=limit,
        continuation=continuation,
        order=order,
    )
    return JourneyLogPage(
        items=[line_of(stored.record) for stored in page.items], continuation=page.continuation
    )


@post(
    "/claims/{syncId:str}/retry",
    status_code=200,
    summary="Retry one journey",
    tags=["Claim recovery"],
    responses=documented(
        examples.JOURNEY_SUMMARY, JourneyNotFound, retrying.NotRetryable, Changed, *KEY_ERRORS
    ),
)
async def retry_journey(
    store: Store,
    bus: Bus,
    tenant_id: TenantId,
    actor: Caller,
    sync_id: SyncPath,
    user_id: UserId = None,
    if_match: IfMatch = None,
) -> JourneySummary:
    """The journey, which had failed or was cancelled, or waits with a `failedStep`, is under way
    again: its failed phases are requested once more, the others are kept.
    """
    known = await stored_journey(store, tenant_id, sync_id, user_id)
    return summary_of(await retry(store, bus, known, actor.on_record, if_match))


@post(
    "/claims/{syncId:str}/cancel",
    status_code=200,
    summary="Cancel one journey",
    tags=["Claim recovery"],
    responses=documented(
        examples.JOURNEY_SUMMARY, JourneyNotFound, ExecutionEnded, Changed, *KEY_ERRORS
    ),
)
async def cancel_journey(
    store: Store,
    bus: Bus,
    flow_runs: Engine,
    tenant_id: TenantId,
    sync_id: SyncPath,
    data: JSONBody[Cancellation],
    user_id: UserId = None,
    if_match: IfMatch = None,
) -> JourneySummary:
    """The journey is cancelled and its end announced; triggers that come later are ignored, until
    it is retried.
    """
    known = await stored_journey(store, tenant_id, sync_id, user_id)
    return summary_of(await cancel(store, bus, flow_runs, known, data.reason, if_match))
