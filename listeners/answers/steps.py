"""Answers of the analysis services become step records; the run that waits is notified."""

import logging
from collections.abc import Mapping

import msgspec

from blocks import signals
from blocks.contracts import rejections
from blocks.contracts.analysis import STEP_OF_ANSWER, STEP_OF_FAILURE, WORKFLOW
from blocks.contracts.envelope import Event
from blocks.contracts.events import EventData, StepFailure
from blocks.contracts.older_service import OlderWorkflow
from blocks.contracts.reading.uuids import spellings
from blocks.contracts.records import ExecutionRecord, StepRecord
from blocks.executions.steps import record_step
from blocks.observability import log_context
from blocks.ports import NotFound, Query, RecordStore
from listeners.context import Context

log = logging.getLogger(__name__)

ANSWERS = (*STEP_OF_ANSWER, *STEP_OF_FAILURE)
"""The types of the answers of the analysis services."""

STEP_OF_TYPE: Mapping[str, str] = {
    data.event_type: step.name for data, step in (*STEP_OF_ANSWER.items(), *STEP_OF_FAILURE.items())
}
"""The step that an answer of this event type is about."""


class UnknownExecution(Exception):
    """The answer names an execution that does not exist for its tenant, at least not yet."""


async def record_answer(context: Context, event: Event[EventData]) -> str:
    """The outcome: `recorded`, `late` after the execution's end, `unmatched` if unrequested.

    The first answer to a step counts; a second one finds the record there. A failure that an
    earlier try met does not fail a retry when it is delivered again: it is `known`. Raises
    `UnknownExecution`.
    """
    store = context.store
    execution = await _execution_of(context, event)
    if execution is None:
        return "unmatched"
    log_context.add(execution_id=execution.id, trace_id=execution.trace_id)
    if execution.is_terminal:
        return "late"
    data = event.data
    if execution.retries and await _is_known(store, execution, event):
        return "known"
    if isinstance(data, StepFailure):
        step = STEP_OF_FAILURE[type(data)]
        error = data.error or step.default_error
        record = await record_step(
            store,
            execution,
            step.name,
            error=error,
            error_code=rejections.STEP_FAILED,
            event_id=event.id,
        )
    else:
        step = STEP_OF_ANSWER[type(data)]
        record = await record_step(
            store, execution, step.name, result=step.result(data), event_id=event.id
        )
    await context.bus.broadcast(signals.STEP_SETTLED, msgspec.json.encode(record))
    return "recorded"


async def _is_known(
    store: RecordStore, execution: ExecutionRecord, event: Event[EventData]
) -> bool:
    brought = {"execution_id": execution.id, "event_id": spellings(event.id)}
    return await store.count(execution.tenant_id, StepRecord, brought) > 0


async def _execution_of(context: Context, event: Event[EventData]) -> ExecutionRecord | None:
    """By `workflowId`; without one, the oldest running analysis of the opportunity, if any.

    The platform's failure events carry no `workflowId`, and services also evaluate opportunities
    without a request.
    """
    workflow_id = getattr(event.data, "workflow_id", None)
    if workflow_id:
        try:
            return await context.executions.read(event.tenant_id, workflow_id)
        except NotFound:
            if await _is_of_the_older_service(context.store, event.tenant_id, workflow_id):
                return None
            raise UnknownExecution(
                f"execution {workflow_id} does not exist for tenant {event.tenant_id}"
            ) from None
    return await _running_of(context.store, event)


async def _is_of_the_older_service(store: RecordStore, tenant_id: str, workflow_id: str) -> bool:
    """Whether the older service had asked: nothing here waits for the answer."""
    try:
        await store.read(tenant_id, OlderWorkflow, workflow_id)
    except NotFound:
        return False
    log.info("an answer to workflow %s of the older service changes nothing", workflow_id)
    return True


async def _running_of(store: RecordStore, event: Event[EventData]) -> ExecutionRecord | None:
    opportunity_id = getattr(event.data, "opportunity_id", None)
    if not opportunity_id:
        return None
    running = await store.query(
        event.tenant_id,
        Query(
            ExecutionRecord,
            {"workflow": WORKFLOW, "subject": spellings(opportunity_id), "status": "running"},
            newest_first=False,
            limit=1,
        ),
    )
    return running.items[0].record if running.items else None
