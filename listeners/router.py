"""The one entry for messages: bytes in, verdicts out. One table maps events to handlers."""

import asyncio
import hashlib
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec

from blocks.clock import utc_now
from blocks.contracts import events, rejections, traces
from blocks.contracts.envelope import Event, UnknownEventType, decode_event
from blocks.contracts.rejections import Rejected
from blocks.observability.log_context import log_context
from blocks.ports import Accept, Delivery, Message, Reject, Retry, Unavailable, Verdict
from blocks.signals import INTAKE_PASSED, MARK
from listeners import metrics
from listeners.answers.steps import ANSWERS, UnknownExecution, record_answers
from listeners.approval_requests import record_approval_request
from listeners.context import Context
from listeners.job_reports import record_job_report
from listeners.platform_events import is_of_operations, take_in
from listeners.triggers.table import TRIGGERS

log = logging.getLogger(__name__)

Judged = Sequence[Verdict | Exception]

EventHandler = Callable[[Context, Sequence[Event[Any]]], Awaitable[Sequence[str | Exception]]]
"""Handles events of one tenant that have come together. Returns the outcome of each in one word,
for metrics and the log, or what its handling has raised; raises only what concerns all of them.
"""


class Router:
    """Judges deliveries of the intake queue."""

    def __init__(self, context: Context) -> None:
        self.context = context

    async def handle(self, delivery: Delivery) -> Verdict:
        """As `handle_together`, of one alone."""
        [verdict] = await self.handle_together([delivery])
        if isinstance(verdict, Exception):
            raise verdict
        return verdict

    async def handle_together(self, deliveries: Sequence[Delivery]) -> Judged:
        """Each is accepted once its effect is durable, rejected with a stable code, or to be tried
        again later. Events of one tenant and one handler are handled together.
        """
        verdicts: dict[int, Verdict | Exception] = {}
        works: list[tuple[list[int], Awaitable[Judged]]] = []
        groups: dict[tuple[EventHandler, str], dict[int, Event[Any]]] = defaultdict(dict)
        for place, delivery in enumerate(deliveries):
            message = delivery.message
            if message.routing_key == MARK or is_of_operations(self.context, message):
                works.append(([place], self._judge_alone(message)))
                continue
            read = _read(message)
            if isinstance(read, Event):
                groups[EVENT_HANDLERS[type(read.data)], read.tenant_id][place] = read
            else:
                verdicts[place] = read
        for (handler, tenant_id), those in groups.items():
            works.append(([*those], self._judge(handler, tenant_id, [*those.values()])))
        judged = await asyncio.gather(*(work for _, work in works), return_exceptions=True)
        for (places, _), found in zip(works, judged, strict=True):
            if isinstance(found, BaseException):
                raise found
            verdicts.update(zip(places, found, strict=True))
        return [verdicts[place] for place in range(len(deliveries))]

    async def _judge_alone(self, message: Message) -> Judged:
        """The verdict on a mark, or on an event for operations."""
        with log_context():
            try:
                if message.routing_key == MARK:
                    await self.context.bus.broadcast(INTAKE_PASSED, message.id.encode())
                else:
                    metrics.platform_event_became(await take_in(self.context, message))
            except Rejected as rejected:
                return [_refused(message.id, message.routing_key, rejected)]
            except Unavailable as error:
                return [error]
            return [Accept()]

    async def _judge(
        self, handler: EventHandler, tenant_id: str, those: Sequence[Event[Any]]
    ) -> Judged:
        with log_context(tenant_id=tenant_id):
            try:
                outcomes = await handler(self.context, those)
            except Unavailable as error:
                return [error] * len(those)
            return [_verdict(*one) for one in zip(those, outcomes, strict=True)]


def _read(message: Message) -> Event[Any] | Verdict:
    try:
        event = decode_event(message.body, received_at=utc_now())
    except UnknownEventType as unknown:
        metrics.event_became(unknown.event_type, "unhandled")
        log.debug(
            "event %s is of type %s, which has no handler here", message.id, unknown.event_type
        )
        return Accept()
    except Rejected as rejected:
        return _refused(message.id, message.routing_key, rejected)
    context = traces.TraceContext.parse(message.headers.get(traces.HEADER))
    return msgspec.structs.replace(
        event,
        traceparent=str(context) if context else None,
        digest=hashlib.sha256(message.body).hexdigest(),
    )


def _verdict(event: Event[Any], outcome: str | Exception) -> Verdict | Exception:
    match outcome:
        case Rejected():
            return _refused(event.id, event.type, outcome)
        case UnknownExecution():
            metrics.event_became(event.type, rejections.UNKNOWN_EXECUTION)
            return Retry(rejections.UNKNOWN_EXECUTION, str(outcome))
        case Exception():
            return outcome
    metrics.event_became(event.type, outcome)
    return Accept()


def _refused(id: str, event_type: str, rejected: Rejected) -> Reject:
    metrics.refused(rejected.code)
    log.warning("event %s (%s) refused: %s", id, event_type, rejected)
    return Reject(rejected.code, rejected.reason)


async def open_executions(
    context: Context, those: Sequence[Event[Any]]
) -> Sequence[str | Exception]:
    """What became of events that trigger a workflow; see `Intake.open`."""
    return await context.intake.open([(TRIGGERS[type(event.data)], event) for event in those])


def each(handler: Callable[[Context, Event[Any]], Awaitable[str]]) -> EventHandler:
    """A handler of events that have nothing to share: each is handled by itself, at once."""

    async def handle_each(
        context: Context, those: Sequence[Event[Any]]
    ) -> Sequence[str | Exception]:
        return await asyncio.gather(*(outcome(context, event) for event in those))

    async def outcome(context: Context, event: Event[Any]) -> str | Exception:
        span = traces.TraceContext.parse(event.traceparent)
        with log_context(trace_id=span.trace_id if span else None):
            try:
                outcome = await handler(context, event)
            except Exception as error:
                return error
            # Here, where the handler has named the execution.
            log.debug("event %s (%s) %s", event.id, event.type, outcome)
            return outcome

    return handle_each


EVENT_HANDLERS: Mapping[type[events.EventData], EventHandler] = {
    **dict.fromkeys(TRIGGERS, open_executions),
    **dict.fromkeys(ANSWERS, record_answers),
    events.HitlApprovalRequested: each(record_approval_request),
    **dict.fromkeys((events.JobCompleted, events.JobFailed), each(record_job_report)),
}
