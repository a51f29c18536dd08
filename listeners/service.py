"""The listener process: a consumer of the intake queue, one of the webhooks' queue, a dispatcher, a sign of life."""

import logging
from contextlib import AsyncExitStack

from blocks.outgoing_http import HostRules, OutgoingHttp
from blocks.prefect_flow_runs import PrefectFlowRuns
from blocks.services import open_bus, open_store
from blocks.settings import Settings
from blocks.sign_of_life import SignOfLife
from blocks.topology import intake_queue, webhooks_queue
from listeners.dispatcher import Dispatcher
from listeners.intake import Intake
from listeners.router import Router
from listeners.webhooks import AT_ONCE as WEBHOOKS_AT_ONCE
from listeners.webhooks import Webhooks

log = logging.getLogger(__name__)


async def run_listener(settings: Settings) -> None:
    """Takes events in and dispatches executions until cancelled; then finishes what is in hand.

    Raises `Unavailable` if the broker or the store does not answer at the start.
    """
    queue, due = intake_queue(settings), webhooks_queue(settings)
    rules = HostRules.of(settings.webhooks.allowed_hosts)
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(open_store(settings))
        bus = await stack.enter_async_context(open_bus(settings, "listener"))
        flow_runs = await stack.enter_async_context(PrefectFlowRuns(settings.prefect.api_url or None))
        http = await stack.enter_async_context(OutgoingHttp(rules, timeout_seconds=settings.webhooks.timeout_seconds))
        await store.provision()
        await bus.declare(queue, due)
        dispatcher = Dispatcher(settings.dispatch, store, bus, flow_runs, intake_depth=lambda: bus.depth(queue.name))
        router = Router(store, bus, Intake(store, dispatcher))
        async with (
            bus.consume(queue, router.handle, concurrency=settings.rabbitmq.prefetch) as consumer,
            bus.consume(due, Webhooks(store, bus, http).handle, concurrency=WEBHOOKS_AT_ONCE),
        ):
            beat = settings.worker.heartbeat_seconds
            async with SignOfLife(store, "listener", every_seconds=beat, is_ready=lambda: consumer.is_registered):
                log.info("listening on queue %s", queue.name)
                await dispatcher.run()
