"""The one entry for messages: bytes in, verdict out. One table maps events to handlers."""

import hashlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from blocks.clock import utc_now
from blocks.contracts import events, rejections, traces
from blocks.contracts.envelope import Event, UnknownEventType, decode_event
from blocks.contracts.rejections import Rejected
from blocks.observability import log_context
from blocks.ports import Accept, Delivery, Reject, Retry, Verdict
from blocks.signals import INTAKE_PASSED, MARK
from listeners import metrics
from listeners.answers.steps import ANSWERS, UnknownExecution, record_answer
from listeners.approval_requests import record_approval_request
from listeners.context import Context
from listeners.job_reports import record_job_report
from listeners.platform_events import is_of_operations, take_in
from listeners.triggers.table import TRIGGERS

log = logging.getLogger(__name__)

EventHandler = Callable[[Context, Event[Any]], Awaitable[str]]
"""Returns the event's outcome, in one word, for metrics and the log."""


class Router:
    """Judges deliveries of the intake queue."""

    def __init__(self, context: Context) -> None:
        self.context = context

    async def handle(self, delivery: Delivery) -> Verdict:
        """Accepted once its effect is durable, rejected with a stable code, or to be tried again
        later.
        """
        with log_context.log_context():
            return await self._judge(delivery)

    async def _judge(self, delivery: Delivery) -> Verdict:
        message = delivery.message
        try:
            if message.routing_key == MARK:
                await self.context.bus.broadcast(INTAKE_PASSED, message.id.encode())
                return Accept()
            if is_of_operations(self.context, message):
                metrics.platform_event_became(await take_in(self.context, message))
                return Accept()
            event = decode_event(message.body, received_at=utc_now())
            context = traces.TraceContext.parse(message.headers.get(traces.HEADER))
            event = msgspec.structs.replace(
                event,
                traceparent=str(context) if context else None,
                digest=hashlib.sha256(message.body).hexdigest(),
            )
            log_context.add(
                tenant_id=event.tenant_id, trace_id=context.trace_id if context else None
            )
            outcome = await EVENT_HANDLERS[type(event.data)](self.context, event)
        except UnknownEventType as unknown:
            metrics.event_became(unknown.event_type, "unhandled")
            log.debug(
                "event %s is of type %s, which has no handler here", message.id, unknown.event_type
            )
            return Accept()
        except Rejected as rejected:
            metrics.refused(rejected.code)
            log.warning("event %s (%s) refused: %s", message.id, message.routing_key, rejected)
            return Reject(rejected.code, rejected.reason)
        except UnknownExecution as unknown:
            metrics.event_became(event.type, rejections.UNKNOWN_EXECUTION)
            return Retry(rejections.UNKNOWN_EXECUTION, str(unknown))
        metrics.event_became(event.type, outcome)
        log.debug("event %s (%s) %s", event.id, event.type, outcome)
        return Accept()


async def open_execution(context: Context, event: Event[Any]) -> str:
    """The outcome of an event that triggers a workflow; see `Intake.open`."""
    return await context.intake.open(TRIGGERS[type(event.data)], event)


EVENT_HANDLERS: Mapping[type[events.EventData], EventHandler] = {
    **dict.fromkeys(TRIGGERS, open_execution),
    **dict.fromkeys(ANSWERS, record_answer),
    events.HitlApprovalRequested: record_approval_request,
    events.JobCompleted: record_job_report,
    events.JobFailed: record_job_report,
}
