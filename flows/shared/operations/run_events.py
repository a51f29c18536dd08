"""What happens in a run, published while it happens, for those who watch.

Contract: the record is the truth, and its end is announced from it. So no step waits for long, or
fails, because such an event cannot be published: health is looked at while the broker is down, too.
Pitfalls: a run that starts over publishes its start again, under the same id, and the step that
was interrupted under another.
"""

import asyncio
import logging
from datetime import datetime
from typing import Any

import msgspec

from blocks.clock import utc_now
from blocks.contracts import events, ids, traces
from blocks.contracts.about import About
from blocks.contracts.envelope import Event
from blocks.contracts.events import EventData, JsonObject
from blocks.contracts.operations import Operation, Step
from blocks.contracts.operations.endings import run_id_of
from blocks.contracts.records import ExecutionRecord, StepRecord
from blocks.messages import to_message
from blocks.ports import EventBus, Unavailable

log = logging.getLogger(__name__)

PUBLISH_SECONDS = 2.0
"""So long a step may wait for the broker."""

RESULT_BYTES_MAX = 64 * 1024
_TEXT_MAX = 1_000


class RunEvents:
    """Of the runs of one operation."""

    def __init__(self, bus: EventBus, operation: Operation) -> None:
        self._bus = bus
        self._operation = operation

    async def started(self, execution: ExecutionRecord) -> None:
        data = events.OperationStarted(
            run_id=run_id_of(execution),
            workflow_id=self._operation.id,
            workflow_name=self._operation.title,
            execution_id=execution.id,
        )
        id = ids.started_event_id(execution.id, execution.retries)
        await self._publish(id, execution, data, at=execution.started_at or execution.created_at)

    async def step_started(self, execution: ExecutionRecord, step: Step) -> None:
        data = events.OperationStepStarted(
            run_id=run_id_of(execution),
            workflow_id=self._operation.id,
            step_id=step.id,
            step_name=step.title,
        )
        id = ids.step_started_event_id(execution.id, step.id, execution.attempt)
        await self._publish(id, execution, data, at=utc_now())

    async def step_ended(self, execution: ExecutionRecord, record: StepRecord) -> None:
        """A step of a try ends once: completed and failed share their id."""
        of_step: dict[str, Any] = {
            "run_id": run_id_of(execution),
            "workflow_id": self._operation.id,
            "step_id": record.step,
        }
        data: EventData
        if record.status == "failed":
            data = events.OperationStepFailed(**of_step, error=record.error or "it failed")
        else:
            data = events.OperationStepCompleted(**of_step, result=_bounded(record.result or {}))
        id = ids.step_completed_event_id(execution.id, record.step, record.retry)
        await self._publish(id, execution, data, at=record.completed_at)

    async def _publish(
        self, id: str, execution: ExecutionRecord, data: EventData, *, at: datetime
    ) -> None:
        event = Event(
            id=id,
            tenant_id=execution.tenant_id,
            timestamp=at,
            traceparent=str(traces.of_execution(execution)),
            about=About.execution(execution),
            data=data,
        )
        try:
            async with asyncio.timeout(PUBLISH_SECONDS):
                await self._bus.publish(to_message(event))
        except (Unavailable, TimeoutError) as error:
            log.warning("%s is not published: %s", data.event_type, error or "no answer in time")


def _bounded(result: JsonObject) -> JsonObject:
    if len(msgspec.json.encode(result)) <= RESULT_BYTES_MAX:
        return result
    return {
        name: value
        for name, value in result.items()
        if isinstance(value, int | float) or (isinstance(value, str) and len(value) <= _TEXT_MAX)
    }
