"""What is published about an analysis under way: computed from its records alone, so that an event
always has one id and one body.
"""

from blocks.contracts import ids, traces
from blocks.contracts.about import About
from blocks.contracts.analysis import AnalysisStep
from blocks.contracts.envelope import Event
from blocks.contracts.events import EventData, OpportunityAnalysisStarted, StepCompleted
from blocks.contracts.records import ExecutionRecord, StepRecord


def started(execution: ExecutionRecord) -> Event[EventData]:
    """The execution has begun."""
    started_at = execution.started_at or execution.updated_at
    return Event(
        id=ids.started_event_id(execution.id, execution.retries),
        tenant_id=execution.tenant_id,
        timestamp=started_at,
        traceparent=str(traces.of_execution(execution)),
        about=About.execution(execution),
        data=OpportunityAnalysisStarted(
            workflow_id=execution.id, opportunity_id=execution.subject_on_wire, timestamp=started_at
        ),
    )


def requested(step: AnalysisStep, execution: ExecutionRecord) -> Event[EventData]:
    """The service of this step is asked."""
    return Event(
        id=ids.step_requested_event_id(execution.id, step.name, execution.retries),
        tenant_id=execution.tenant_id,
        timestamp=execution.started_at or execution.updated_at,
        traceparent=str(traces.of_part(execution, step.name)),
        about=About.execution(execution),
        data=step.request(
            workflow_id=execution.id,
            opportunity_id=execution.subject_on_wire,
            step_id=ids.step_id(execution.id, step.name),
            tenant_id=execution.tenant_id,
        ),
    )


def step_completed(record: StepRecord, execution: ExecutionRecord) -> Event[EventData]:
    """The step has its result."""
    return Event(
        id=ids.step_completed_event_id(record.execution_id, record.step, record.retry),
        tenant_id=record.tenant_id,
        timestamp=record.completed_at,
        traceparent=str(traces.of_part(execution, record.step)),
        about=About.execution(execution),
        data=StepCompleted(
            workflow_id=record.execution_id,
            step_id=record.step_id,
            step_type=record.step,
            result=record.result or {},
        ),
    )
