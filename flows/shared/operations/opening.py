"""Which execution a flow run of an operation carries: the one it was given, or one that it opens,
for the tick of its schedule or for the person who started it.
"""

import logging
from contextlib import AsyncExitStack
from datetime import timedelta

from prefect.states import Completed

from blocks.actions.starting import KeyReused, StartRequest, open_execution
from blocks.audit.recording import audited
from blocks.contracts.events import JsonObject
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.operations import Operation
from blocks.contracts.reading.uuids import canonical_uuid
from blocks.contracts.records.audit import Act
from blocks.contracts.schedules.ticks import stale_reason
from blocks.executions import turns
from blocks.operations import starting
from flows.shared.requested import name_run
from flows.shared.run_end import RunEnds, refused
from flows.shared.runtime import Runtime
from flows.shared.tick import Tick, current_tick

log = logging.getLogger(__name__)

SKIPPED = "Skipped"
"""Name of a completed state: the tick was left out, or none of the steps had anything to do."""


async def execution_of_run(
    context: Runtime, operation: Operation, execution_ids: list[str], input: JsonObject
) -> str:
    """The execution's id. Raises `RunEnds` for a tick that is not run, and for parameters that make
    no sense.
    """
    match execution_ids:
        case [id] if not input:
            return canonical_uuid(id) or id
        case [_, *_]:
            raise refused("execution_ids is for dispatchers: one id, and no input")
    return await execution_of_tick(context, operation, await current_tick(), input)


async def execution_of_tick(
    context: Runtime, operation: Operation, tick: Tick, input: JsonObject
) -> str:
    """As `execution_of_run`, of a run that was given no execution."""
    request = starting.of_tick(operation, tick.at)
    if not tick.is_scheduled:
        key = f"flow-run-{tick.flow_run_id}"
        request = starting.by_hand(operation, input, key)
    elif reason := await _reason_to_skip(context, operation, request, tick):
        raise RunEnds(Completed(name=SKIPPED, message=reason))
    try:
        async with AsyncExitStack() as stack:
            store = context.store
            if not tick.is_scheduled:
                act = audited(store, SYSTEM_TENANT, _STARTED)
                store = await stack.enter_async_context(act)
            execution, _ = await open_execution(store, SYSTEM_TENANT, request)
    except KeyReused as problem:
        raise refused(str(problem)) from None
    await name_run(context, execution)
    return execution.id


async def _reason_to_skip(
    context: Runtime, operation: Operation, request: StartRequest, tick: Tick
) -> str | None:
    """A tick that has its execution is never skipped any more. None, with overlap `skip`: it is
    the turn of the tick's execution.
    """
    if await starting.is_open_already(context.store, request):
        return None
    late_after = timedelta(seconds=context.settings.operations.late_after_seconds)
    stale = stale_reason(
        operation,
        tick=tick.at,
        begun_at=tick.begun_at,
        late_after=late_after,
        newer_tick=tick.newer,
    )
    if stale or operation.overlap == "queue":
        return stale
    at_work = await turns.take(context.store, operation.id, starting.execution_id_of(request))
    return f"{operation.id} is still at work: execution {at_work}" if at_work else None


_STARTED = Act(action="execution.start", actor=None, credential="prefect-ui", channel="prefect-ui")
"""Prefect knows no users: who did it is not named."""
