"""Changes of one execution, for whoever asks over HTTP: the API's routes and the pages."""

from api.executions.documents import Execution
from api.executions.errors import ExecutionEnded, ExecutionNotFound
from api.executions.shown import shown
from api.http.errors import Changed
from api.http.etags import check_unchanged
from api.http.records import find, find_stored
from blocks.actions import cancelling, retrying, starting
from blocks.contracts.records import ExecutionRecord
from blocks.contracts.states import InvalidTransition
from blocks.ports import EventBus, FlowRuns, RecordStore, Stored, WrongVersion
from blocks.settings import Settings


async def cancel(
    store: RecordStore,
    bus: EventBus,
    flow_runs: FlowRuns,
    settings: Settings,
    tenant_id: str,
    execution_id: str,
    reason: str,
    if_match: str | None,
) -> Execution:
    """The execution is cancelled and its end announced.

    Raises `ExecutionNotFound`, `ExecutionEnded`, `Changed` unless it is as `if_match` requires.
    """
    known = await find_stored(store, tenant_id, ExecutionRecord, execution_id, ExecutionNotFound)
    etag = await _required(store, settings, known, if_match)
    try:
        execution = await cancelling.cancel_execution(
            store, bus, flow_runs, tenant_id, known.record.id, reason, etag
        )
    except WrongVersion:
        raise Changed from None
    except InvalidTransition as error:
        raise ExecutionEnded(f"The execution is {error.current}") from None
    return await shown(store, execution, settings.prefect)


async def retry(
    store: RecordStore,
    bus: EventBus,
    settings: Settings,
    tenant_id: str,
    actor: str | None,
    execution_id: str,
    if_match: str | None,
) -> Execution:
    """The execution is pending again under its id.

    Raises `ExecutionNotFound`, `NotRetryable`, `Changed` unless it is as `if_match` requires.
    """
    known = await find_stored(store, tenant_id, ExecutionRecord, execution_id, ExecutionNotFound)
    etag = await _required(store, settings, known, if_match)
    try:
        retried = await retrying.retry_execution(
            store, bus, tenant_id, known.record.id, actor, etag
        )
    except WrongVersion:
        raise Changed from None
    return await shown(store, retried, settings.prefect)


async def rerun(
    store: RecordStore, bus: EventBus, tenant_id: str, actor: str | None, execution_id: str
) -> ExecutionRecord:
    """A new execution with the same subject and input.

    Raises `ExecutionNotFound`, `NotRerunnable`.
    """
    known = await find(store, tenant_id, ExecutionRecord, execution_id, ExecutionNotFound)
    return await starting.rerun_execution(store, bus, tenant_id, known.id, actor)


async def _required(
    store: RecordStore,
    settings: Settings,
    known: Stored[ExecutionRecord],
    if_match: str | None,
) -> str | None:
    """The store's ETag under which the record may be changed; None: any. Raises `Changed`."""
    if if_match is None:
        return None
    check_unchanged(if_match, await shown(store, known.record, settings.prefect))
    return known.etag
