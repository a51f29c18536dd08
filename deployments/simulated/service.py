"""Simulated risk-analytics, forecasting and recommendations: requests in, the documented answers
out.
"""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import UUID, uuid5

import msgspec

from blocks.clock import utc_now
from blocks.contracts.analysis import ANALYSIS_STEPS
from blocks.contracts.envelope import Event, UnknownEventType, WireEnvelope, decode_event
from blocks.contracts.events import EventData, JsonObject, StepRequested
from blocks.contracts.rejections import Rejected
from blocks.ports import Accept, Delivery, EventBus, Message, Queue, Reject, Verdict
from blocks.processes.startup import wait_until_available
from blocks.services import open_bus
from blocks.settings import Settings
from blocks.settings import Simulators as Delays
from deployments.simulated.answer import Reply
from deployments.simulated.forecasting import FORECAST
from deployments.simulated.recommendations import RECOMMENDATIONS
from deployments.simulated.risk_evaluation import RISK_EVALUATION
from deployments.simulated.risk_scoring import RISK_SCORING

log = logging.getLogger(__name__)

CONCURRENCY = 500
"""Concurrent requests: the delay of one blocks no other."""

ANSWERS = {
    "risk_analysis": RISK_EVALUATION,
    "risk_scoring": RISK_SCORING,
    "forecast": FORECAST,
    "recommendation": RECOMMENDATIONS,
}
"""By step."""

REQUESTS: Mapping[str, type[EventData]] = {
    step.request.event_type: step.request for step in ANALYSIS_STEPS
}
STEP_OF_REQUEST = {step.request.event_type: step.name for step in ANALYSIS_STEPS}


class Mishaps(msgspec.Struct, frozen=True, kw_only=True):
    """Steps (by name) that `fail` or stay `silent`, for this share of the opportunities."""

    fail: frozenset[str] = frozenset()
    silent: frozenset[str] = frozenset()
    share: float = 1.0

    def strike(self, step: str, opportunity_id: str) -> bool:
        """The same opportunity fails or succeeds in the same way each time."""
        return random.Random(f"{step}:{opportunity_id}").random() < self.share


async def run_simulators(settings: Settings, mishaps: Mishaps = Mishaps()) -> None:  # noqa: B008 - frozen
    """Answers the requests on the services' queues until cancelled, and those of claim recovery if
    they have a port. Waits for the broker as every process does.
    """
    async with AsyncExitStack() as stack:
        if settings.simulators.claims_port:
            await stack.enter_async_context(_claim_services(settings.simulators))
        bus = await stack.enter_async_context(open_bus(settings, "simulators"))
        simulator = Simulator(bus, settings.simulators, mishaps)
        limit = settings.startup.wait_seconds
        await wait_until_available(
            "the broker", lambda: bus.declare(*queues()), limit_seconds=limit
        )
        for queue in queues():
            await stack.enter_async_context(
                bus.consume(queue, simulator.handle, concurrency=CONCURRENCY)
            )
            log.info("answering on queue %s", queue.name)
        await asyncio.get_running_loop().create_future()


@asynccontextmanager
async def _claim_services(simulators: Delays) -> AsyncIterator[None]:
    from deployments.simulated.claims.app import ClaimSimulator, create_app
    from deployments.simulated.serving import served

    simulator = ClaimSimulator(simulators)
    async with served(create_app(simulator), simulators.claims_host, simulators.claims_port) as url:
        log.info("answering as the claim services on %s", url)
        yield


def queues() -> list[Queue]:
    """Each service's own queue, declared as the service does it, bound to the requests of workflows
    only.
    """
    bindings: dict[str, list[str]] = {}
    for step in ANALYSIS_STEPS:
        bindings.setdefault(ANSWERS[step.name].queue, []).append(step.request.event_type)
    return [Queue(name=name, bindings=keys, is_neighbours=True) for name, keys in bindings.items()]


class Simulator:
    """Handles requests of all four steps."""

    def __init__(self, bus: EventBus, delays: Delays, mishaps: Mishaps) -> None:
        self._bus = bus
        self._delays = delays
        self._mishaps = mishaps

    async def handle(self, delivery: Delivery) -> Verdict:
        """Publishes the start, waits as long as such work takes, and publishes the result."""
        try:
            request = decode_event(delivery.message.body, received_at=utc_now(), types=REQUESTS)
        except Rejected as refusal:
            return Reject(refusal.code, refusal.reason)
        except UnknownEventType:
            return Accept()
        await self._answer(request)
        return Accept()

    async def _answer(self, request: Event[EventData]) -> None:
        assert isinstance(request.data, StepRequested)
        step = STEP_OF_REQUEST[request.type]
        answer = ANSWERS[step]
        struck = self._mishaps.strike(step, request.data.opportunity_id)
        if struck and step in self._mishaps.silent:
            return
        await self._bus.publish(*messages(request, answer.service, answer.started(request.data)))
        await asyncio.sleep(
            random.uniform(self._delays.min_delay_seconds, self._delays.max_delay_seconds)
        )
        fails = struck and step in self._mishaps.fail
        replies = answer.failed(request.data) if fails else answer.completed(request.data)
        await self._bus.publish(*messages(request, answer.service, replies))


def messages(request: Event[EventData], service: str, replies: Sequence[Reply]) -> list[Message]:
    """In the documented envelope; ids are computed from the request's: a redelivered request has
    the same answers.
    """
    return [_message(request, service, event_type, data) for event_type, data in replies]


def _message(request: Event[EventData], service: str, event_type: str, data: JsonObject) -> Message:
    id, now = str(uuid5(_NAMESPACE, f"{request.id}/{event_type}")), utc_now()
    envelope = WireEnvelope(
        id=id,
        type=event_type,
        timestamp=now,
        tenant_id=request.tenant_id,
        data=data,
        source=service,
    )
    return Message(
        id=id,
        routing_key=event_type,
        body=msgspec.json.encode(envelope),
        timestamp=now,
        headers={"tenantId": request.tenant_id, "version": envelope.version},
    )


_NAMESPACE = UUID("0f2f6a8c-6f55-5d0a-8f0b-3e1c1d6e8b77")
