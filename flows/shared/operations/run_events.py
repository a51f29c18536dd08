"""What happens in a run, published while it happens, for those who watch.

Contract: the record is the truth, and its end is announced from it. So no step waits for such an
event, or fails because it cannot be published: health is looked at while the broker is down, too.
They are published beside the steps, in their order, before the end is announced.
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
from blocks.ports import EventBus, Message, Unavailable

log = logging.getLogger(__name__)

PUBLISH_SECONDS = 2.0
"""So long the broker may take for some of them; those are left out then, with a line in the log."""

RESULT_BYTES_MAX = 64 * 1024
_TEXT_MAX = 1_000


class RunEvents:
    """Of one run."""

    def __init__(self, bus: EventBus, operation: Operation) -> None:
        self._bus = bus
        self._operation = operation
        self._due: list[Message] = []
        self._publishing: asyncio.Task[None] | None = None

    def started(self, execution: ExecutionRecord) -> None:
        data = events.OperationStarted(
            run_id=run_id_of(execution),
            workflow_id=self._operation.id,
            workflow_name=self._operation.title,
            execution_id=execution.id,
        )
        id = ids.started_event_id(execution.id, execution.retries)
        self._publish(id, execution, data, at=execution.started_at or execution.created_at)

    def step_started(self, execution: ExecutionRecord, step: Step) -> None:
        data = events.OperationStepStarted(
            run_id=run_id_of(execution),
            workflow_id=self._operation.id,
            step_id=step.id,
            step_name=step.title,
        )
        id = ids.step_started_event_id(execution.id, step.id, execution.attempt)
        self._publish(id, execution, data, at=utc_now())

    def step_ended(self, execution: ExecutionRecord, record: StepRecord) -> None:
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
        self._publish(id, execution, data, at=record.completed_at)

    async def settled(self) -> None:
        """All of them are published, or left out."""
        if self._publishing:
            await self._publishing

    def _publish(
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
        self._due.append(to_message(event))
        if self._publishing is None or self._publishing.done():
            self._publishing = asyncio.create_task(self._publish_due(), name="events of a run")

    async def _publish_due(self) -> None:
        while self._due:
            messages, self._due = self._due, []
            try:
                async with asyncio.timeout(PUBLISH_SECONDS):
                    await self._bus.publish(*messages)
            except (Unavailable, TimeoutError) as error:
                reason = str(error) or f"no answer within {PUBLISH_SECONDS:g} s"
                log.warning("%d events of this run are not published: %s", len(messages), reason)


def _bounded(result: JsonObject) -> JsonObject:
    if len(msgspec.json.encode(result)) <= RESULT_BYTES_MAX:
        return result
    return {
        name: value
        for name, value in result.items()
        if isinstance(value, int | float) or (isinstance(value, str) and len(value) <= _TEXT_MAX)
    }
