"""Answers of the analysis services become step records; the run that waits is notified."""

import logging
from collections.abc import Mapping, Sequence

import msgspec

from blocks import signals
from blocks.contracts import rejections
from blocks.contracts.analysis import STEP_OF_ANSWER, STEP_OF_FAILURE, WORKFLOW
from blocks.contracts.envelope import Event
from blocks.contracts.events import EventData, StepFailure
from blocks.contracts.older_service import OlderWorkflow
from blocks.contracts.reading.uuids import spellings
from blocks.contracts.records import ExecutionRecord, StepRecord
from blocks.executions.steps import record_steps, step_record
from blocks.observability.log_context import log_context
from blocks.ports import NotFound, Query, RecordStore, Stored
from blocks.queries import those
from listeners.context import Context

log = logging.getLogger(__name__)

ANSWERS = (*STEP_OF_ANSWER, *STEP_OF_FAILURE)
"""The types of the answers of the analysis services."""

STEP_OF_TYPE: Mapping[str, str] = {
    data.event_type: step.name for data, step in (*STEP_OF_ANSWER.items(), *STEP_OF_FAILURE.items())
}
"""The step that an answer of this event type is about."""


RECORDED = "recorded"


class UnknownExecution(Exception):
    """The answer names an execution that does not exist for its tenant, at least not yet."""


async def record_answers(
    context: Context, events: Sequence[Event[EventData]]
) -> Sequence[str | Exception]:
    """The outcomes of one tenant's answers: `recorded`, `late` after the execution's end,
    `unmatched` if unrequested, or `UnknownExecution`.

    The first answer to a step counts; a second one finds the record there. A failure that an
    earlier try met does not fail a retry when it is delivered again: it is `known`. Their
    executions are read, and their records written, together.
    """
    store, tenant_id = context.store, events[0].tenant_id
    named = {id for event in events if (id := _workflow_id(event))}
    found = await those(store, tenant_id, ExecutionRecord, named)
    outcomes: list[str | Exception] = []
    ended = []
    for event in events:
        try:
            execution = await _execution_of(store, event, found)
            outcome = await _outcome(store, execution, event)
        except UnknownExecution as unknown:
            outcomes.append(unknown)
            continue
        outcomes.append(outcome)
        _log(event, execution, outcome)
        if execution is not None and outcome == RECORDED:
            ended.append((execution, _step_record(execution, event)))
    if ended:
        records = await record_steps(store, ended)
        await context.bus.broadcast(signals.STEPS_SETTLED, msgspec.json.encode(records))
    return outcomes


def _log(event: Event[EventData], execution: ExecutionRecord | None, outcome: str) -> None:
    if log.isEnabledFor(logging.DEBUG):
        trace_id = execution.trace_id if execution else None
        with log_context(execution_id=execution.id if execution else None, trace_id=trace_id):
            log.debug("event %s (%s) %s", event.id, event.type, outcome)


async def _outcome(
    store: RecordStore, execution: ExecutionRecord | None, event: Event[EventData]
) -> str:
    """What becomes of the answer, provided that its record is written."""
    if execution is None:
        return "unmatched"
    if execution.is_terminal:
        return "late"
    if execution.retries and await _is_known(store, execution, event):
        return "known"
    return RECORDED


def _step_record(execution: ExecutionRecord, event: Event[EventData]) -> StepRecord:
    data = event.data
    if isinstance(data, StepFailure):
        step = STEP_OF_FAILURE[type(data)]
        error = data.error or step.default_error
        code = rejections.STEP_FAILED
        return step_record(execution, step.name, error=error, error_code=code, event_id=event.id)
    step = STEP_OF_ANSWER[type(data)]
    return step_record(execution, step.name, result=step.result(data), event_id=event.id)


async def _is_known(
    store: RecordStore, execution: ExecutionRecord, event: Event[EventData]
) -> bool:
    brought = {"execution_id": execution.id, "event_id": spellings(event.id)}
    return await store.count(execution.tenant_id, StepRecord, brought) > 0


async def _execution_of(
    store: RecordStore, event: Event[EventData], found: Mapping[str, Stored[ExecutionRecord]]
) -> ExecutionRecord | None:
    """By `workflowId`; without one, the oldest running analysis of the opportunity, if any.

    The platform's failure events carry no `workflowId`, and services also evaluate opportunities
    without a request.
    """
    workflow_id = _workflow_id(event)
    if workflow_id is None:
        return await _running_of(store, event)
    if workflow_id in found:
        return found[workflow_id].record
    if await _is_of_the_older_service(store, event.tenant_id, workflow_id):
        return None
    raise UnknownExecution(f"execution {workflow_id} does not exist for tenant {event.tenant_id}")


def _workflow_id(event: Event[EventData]) -> str | None:
    return getattr(event.data, "workflow_id", None) or None


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
