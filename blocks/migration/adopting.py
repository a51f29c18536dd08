"""One workflow or approval of the older service becomes a record of ours."""

from contextlib import suppress

from blocks.actions.retrying import NotRetryable
from blocks.clock import utc_now
from blocks.contracts.older_service import OlderWorkflow
from blocks.contracts.records import ApprovalRecord, ExecutionRecord
from blocks.contracts.rejections import SERVICE_REPLACED
from blocks.contracts.states import RETRYABLE
from blocks.migration.conversion import UNDER_WAY, Converted, Left, converted
from blocks.ports import AlreadyExists, RecordStore
from blocks.tenants.directory import enter_in_directory
from blocks.updates import update


async def adopt_for_retry(store: RecordStore, tenant_id: str, workflow_id: str) -> None:
    """The workflow is an execution that may be retried under its id.

    Raises `NotFound`, and `NotRetryable` for one that has neither failed nor hangs, or is odd. One
    that is under way in the older service is closed as failed: who retries it there restarts it,
    too.
    """
    older = (await store.read(tenant_id, OlderWorkflow, workflow_id)).record
    if older.status not in (*RETRYABLE, *UNDER_WAY):
        status = older.status or "in no status"
        raise NotRetryable(
            workflow_id, f"it is {status}, and only what is {' or '.join(RETRYABLE)} can be"
        )
    try:
        await enter_in_directory(store, tenant_id)
        await write(store, converted(older, utc_now(), closing=True))
    except Left as left:
        raise NotRetryable(workflow_id, left.reason) from None


async def write(store: RecordStore, new: Converted) -> bool:
    """Execution and steps are durable, the execution last; False: it was there before."""
    execution = new.execution
    for step in new.steps:
        with suppress(AlreadyExists):
            await store.create(step.tenant_id, step)
    try:
        await store.create(execution.tenant_id, execution)
    except AlreadyExists:
        return False
    return True


async def take_approval(store: RecordStore, tenant_id: str, approval_id: str) -> None:
    """The approval is stored as a record of ours, whatever was done to it meanwhile. Raises
    `NotFound` if it cannot be read.
    """

    async def taken() -> None:
        stored = await store.read(tenant_id, ApprovalRecord, approval_id)
        await store.replace(tenant_id, stored.etag, stored.record)

    await update(taken, f"approval {approval_id}")


def is_as_it_was(execution: ExecutionRecord) -> bool:
    """Whether nothing has happened to it but its conversion: the older service's document still
    describes it.
    """
    return (
        execution.origin is not None
        and execution.retries == 0
        and execution.error_code != SERVICE_REPLACED
    )
