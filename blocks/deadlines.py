"""By when an analysis that runs must have ended, and which ones have not."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from blocks.clock import utc_now
from blocks.contracts.analysis import ANALYSIS_STEPS, WORKFLOW
from blocks.contracts.records import ExecutionRecord, WorkflowDefinition
from blocks.definitions import platform_definition, read_definition
from blocks.ports import NotFound, RecordStore, Stored
from blocks.queries import every
from blocks.settings import Settings


class Overdue(msgspec.Struct, frozen=True):
    """A running execution, and how long ago it should have ended."""

    stored: Stored[ExecutionRecord]
    late: timedelta


def deadline_of(execution: ExecutionRecord, definition: WorkflowDefinition) -> datetime:
    """When its slowest step is out of time. Who takes it up later is given the margin from then on.

    `held_since` is the chance that the run which holds it now has had. Writes that only note something on the record
    do not postpone the deadline.
    """
    of_steps = [definition.step_timeouts.get(step.name, definition.step_timeout_seconds) for step in ANALYSIS_STEPS]
    started = execution.started_at or execution.updated_at
    return max(started + timedelta(seconds=max(of_steps)), execution.held_since or started)


async def overdue(store: RecordStore, settings: Settings, tenant_ids: Sequence[str]) -> list[Overdue]:
    """Every analysis of these tenants that runs past its deadline and `analysis.overdue_after_seconds`.

    One that is pending has no deadline yet; one that awaits a person has its approval's own; batch jobs have theirs.
    Raises `Unavailable`.
    """
    margin = timedelta(seconds=settings.analysis.overdue_after_seconds)
    found = []
    running = {"status": "running", "workflow": WORKFLOW}
    for tenant_id in tenant_ids:
        definitions: dict[int | None, WorkflowDefinition] = {}
        async for stored in every(store, tenant_id, ExecutionRecord, running):
            version = stored.record.definition_version
            if version not in definitions:
                definitions[version] = await _definition(store, tenant_id, settings, version)
            late = utc_now() - deadline_of(stored.record, definitions[version])
            if late > margin:
                found.append(Overdue(stored, late))
    return found


async def _definition(
    store: RecordStore, tenant_id: str, settings: Settings, version: int | None
) -> WorkflowDefinition:
    try:
        return await read_definition(store, tenant_id, settings, version)
    except NotFound:  # a version that is gone must not keep its executions from an end
        return platform_definition(tenant_id, settings)
