"""By when an execution that runs must have ended, and which ones have not."""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from blocks.clock import utc_now
from blocks.contracts.records import ExecutionRecord, WorkflowDefinition
from blocks.contracts.workflows import with_deadlines, workflow_named
from blocks.definitions.versions import platform_definition, read_definition
from blocks.ports import NotFound, RecordStore, Stored, UnreadableRecord
from blocks.queries import every
from blocks.settings import Settings

log = logging.getLogger(__name__)


class Overdue(msgspec.Struct, frozen=True):
    """A running execution, and how long ago it should have ended."""

    stored: Stored[ExecutionRecord]
    late: timedelta


def deadline_of(execution: ExecutionRecord, definition: WorkflowDefinition) -> datetime:
    """When its slowest step is past its deadline. A later claim starts the margin again.

    `held_since` is when the present run took it over. Writes that only note something on the record
    do not postpone the deadline.
    """
    steps = workflow_named(execution.workflow).steps
    of_steps = [
        definition.step_timeouts.get(step, definition.step_timeout_seconds) for step in steps
    ]
    started = execution.started_at or execution.updated_at
    return max(started + timedelta(seconds=max(of_steps)), execution.held_since or started)


async def overdue(
    store: RecordStore, settings: Settings, tenant_ids: Sequence[str]
) -> list[Overdue]:
    """Every execution of these tenants that runs past its deadline and
    `analysis.overdue_after_seconds`.

    A journey of claims has no deadline: its phases have service levels.

    One that is pending has no deadline yet; one that awaits a person has its approval's own; batch
    jobs have theirs. Raises `Unavailable`.
    """
    margin = timedelta(seconds=settings.analysis.overdue_after_seconds)
    found = []
    running = {"status": "running", "workflow": with_deadlines()}
    for tenant_id in tenant_ids:
        definitions: dict[tuple[str, int | None], WorkflowDefinition] = {}
        async for stored in every(
            store, tenant_id, ExecutionRecord, running, skips_unreadable=True
        ):
            kept = stored.record.workflow, stored.record.definition_version
            try:
                if kept not in definitions:
                    definitions[kept] = await _definition(store, tenant_id, settings, *kept)
            except UnreadableRecord as error:  # its deadline is not known
                log.error("execution %s is not judged: %s", stored.record.id, error)
                continue
            late = utc_now() - deadline_of(stored.record, definitions[kept])
            if late > margin:
                found.append(Overdue(stored, late))
    return found


async def _definition(
    store: RecordStore, tenant_id: str, settings: Settings, workflow: str, version: int | None
) -> WorkflowDefinition:
    try:
        return await read_definition(store, tenant_id, workflow, settings, version)
    except NotFound:  # a version that is gone must not keep its executions from an end
        return platform_definition(tenant_id, workflow, settings)
