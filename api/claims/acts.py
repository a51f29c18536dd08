"""A journey is retried or cancelled, whether a program asks or a page."""

from api.claims.reading import shown_journey
from api.executions.errors import ExecutionEnded
from api.http.errors import Changed
from api.http.etags import check_unchanged
from blocks.actions import cancelling, retrying
from blocks.contracts.records import ExecutionRecord
from blocks.contracts.states import InvalidTransition
from blocks.ports import EventBus, FlowRuns, RecordStore, Stored, WrongVersion


async def retry(
    store: RecordStore,
    bus: EventBus,
    known: Stored[ExecutionRecord],
    actor: str | None,
    if_match: str | None = None,
) -> ExecutionRecord:
    """The journey is under way again. Raises `NotRetryable`, `Changed`."""
    etag = await _required(store, known, if_match)
    tenant_id, id = known.record.tenant_id, known.record.id
    try:
        return await retrying.retry_execution(store, bus, tenant_id, id, actor, etag)
    except WrongVersion:
        raise Changed from None


async def cancel(
    store: RecordStore,
    bus: EventBus,
    flow_runs: FlowRuns,
    known: Stored[ExecutionRecord],
    reason: str,
    if_match: str | None = None,
) -> ExecutionRecord:
    """The journey is cancelled and its end announced. Raises `ExecutionEnded`, `Changed`."""
    etag = await _required(store, known, if_match)
    tenant_id, id = known.record.tenant_id, known.record.id
    try:
        return await cancelling.cancel_execution(store, bus, flow_runs, tenant_id, id, reason, etag)
    except WrongVersion:
        raise Changed from None
    except InvalidTransition as error:
        raise ExecutionEnded(f"The execution is {error.current}") from None


async def _required(
    store: RecordStore, known: Stored[ExecutionRecord], if_match: str | None
) -> str | None:
    """The store's ETag under which the record may be changed; None: any. Raises `Changed`."""
    if if_match is None:
        return None
    check_unchanged(if_match, await shown_journey(store, known.record))
    return known.etag
