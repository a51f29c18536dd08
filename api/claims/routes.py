"""`/api/v1/claims`: the journeys of claim recovery, and how one is retried or cancelled."""

from datetime import datetime
from typing import Annotated, Literal, get_args

from litestar import get, post
from litestar.params import JSONBody, PathParameter, QueryParameter

from api.access.actor import Caller
from api.access.tenancy import TenantId
from api.claims import examples
from api.claims.documents import (
    Journey,
    JourneyLogPage,
    JourneyPage,
    JourneySummary,
    summary_of,
)
from api.claims.errors import JourneyNotFound
from api.claims.reading import all_journeys, found_journey, line_of, shown_journey
from api.documentation.openapi import documented
from api.executions.documents import Cancellation
from api.executions.errors import ExecutionEnded
from api.http.parameters import in_utc, moment, one_of, text
from api.http.records import Bus, Engine, Store, page_of
from api.idempotency import KEY_ERRORS
from blocks.actions import cancelling, retrying
from blocks.claims import journeys
from blocks.contracts.claims.phases import WORKFLOW
from blocks.contracts.records import ExecutionRecord
from blocks.contracts.records.claims import PhaseLogEntry
from blocks.contracts.states import ExecutionStatus, InvalidTransition
from blocks.ports import Between

SyncPath = Annotated[
    str, PathParameter(name="syncId", description="Of the sync, or a claim's default, `claim_7`")
]
UserId = Annotated[
    str | None,
    text(
        "Whose sync it is; without it, the newest journey of any user under this id", name="userId"
    ),
]
Continuation = Annotated[
    str | None,
    text("The `continuation` of the page before, with the same filters", max_length=2000),
]
Limit = Annotated[int, QueryParameter(description="Items on a page", ge=1, le=100)]
Order = Literal["newest", "oldest"]


@get(
    "/claims",
    summary="List journeys of claim recovery",
    tags=["Claim recovery"],
    responses=documented(examples.JOURNEY_PAGE),
)
async def list_journeys(
    store: Store,
    tenant_id: TenantId,
    user_id: Annotated[str | None, text("Only of this user", name="userId")] = None,
    status: Annotated[
        ExecutionStatus | None, one_of(get_args(ExecutionStatus), "Only in this status")
    ] = None,
    created_after: Annotated[
        datetime | None, moment("createdAfter", "Only those created then or later")
    ] = None,
    created_before: Annotated[
        datetime | None, moment("createdBefore", "Only those created before that")
    ] = None,
    limit: Limit = 50,
    continuation: Continuation = None,
) -> JourneyPage:
    """The tenant's journeys, newest first. No `continuation` in the answer: the last page."""
    filters = {
        "workflow": WORKFLOW,
        "status": status,
        "subject": user_id,
        "created_at": Between(since=in_utc(created_after), until=in_utc(created_before)),
    }
    where = {name: value for name, value in filters.items() if value is not None}
    page = await page_of(
        store, tenant_id, ExecutionRecord, where, limit=limit, continuation=continuation
    )
    return JourneyPage(
        claims=[summary_of(stored.record) for stored in page.items],
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
    order: Annotated[Order, one_of(get_args(Order), "Which line comes first")] = "oldest",
    limit: Limit = 50,
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
        newest_first=order == "newest",
    )
    return JourneyLogPage(
        entries=[line_of(stored.record) for stored in page.items], continuation=page.continuation
    )


@post(
    "/claims/{syncId:str}/retry",
    status_code=200,
    summary="Retry one journey",
    tags=["Claim recovery"],
    responses=documented(
        examples.JOURNEY_SUMMARY, JourneyNotFound, retrying.NotRetryable, *KEY_ERRORS
    ),
)
async def retry_journey(
    store: Store,
    bus: Bus,
    tenant_id: TenantId,
    actor: Caller,
    sync_id: SyncPath,
    user_id: UserId = None,
) -> JourneySummary:
    """The journey, which had failed or was cancelled, or waits with a `failedStep`, is under way
    again: its failed phases are requested once more, the others are kept.
    """
    known = await found_journey(store, tenant_id, sync_id, user_id)
    retried = await retrying.retry_execution(store, bus, tenant_id, known.id, actor.on_record)
    return summary_of(retried)


@post(
    "/claims/{syncId:str}/cancel",
    status_code=200,
    summary="Cancel one journey",
    tags=["Claim recovery"],
    responses=documented(examples.JOURNEY_SUMMARY, JourneyNotFound, ExecutionEnded, *KEY_ERRORS),
)
async def cancel_journey(
    store: Store,
    bus: Bus,
    flow_runs: Engine,
    tenant_id: TenantId,
    sync_id: SyncPath,
    data: JSONBody[Cancellation],
    user_id: UserId = None,
) -> JourneySummary:
    """The journey is cancelled and its end announced; triggers that come later are ignored, until
    it is retried.
    """
    known = await found_journey(store, tenant_id, sync_id, user_id)
    try:
        cancelled = await cancelling.cancel_execution(
            store, bus, flow_runs, tenant_id, known.id, data.reason
        )
    except InvalidTransition as error:
        raise ExecutionEnded(f"The execution is {error.current}") from None
    return summary_of(cancelled)
