"""The listener process: one consumer of the intake queue, one dispatcher, one sign of life."""

import logging
from contextlib import AsyncExitStack

from blocks.prefect_flow_runs import PrefectFlowRuns
from blocks.services import open_bus, open_store
from blocks.settings import Settings
from blocks.sign_of_life import SignOfLife
from blocks.topology import intake_queue
from listeners.dispatcher import Dispatcher
from listeners.intake import Intake
from listeners.router import Router

log = logging.getLogger(__name__)


async def run_listener(settings: Settings) -> None:
    """Takes events in and dispatches executions until cancelled; then finishes what is in hand.

    Raises `Unavailable` if the broker or the store does not answer at the start.
    """
    queue = intake_queue(settings)
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(open_store(settings))
        bus = await stack.enter_async_context(open_bus(settings, "listener"))
        flow_runs = await stack.enter_async_context(PrefectFlowRuns(settings.prefect.api_url or None))
        await store.provision()
        await bus.declare(queue)
        dispatcher = Dispatcher(settings.dispatch, store, bus, flow_runs)
        router = Router(store, bus, Intake(store, dispatcher))
        async with bus.consume(queue, router.handle, concurrency=settings.rabbitmq.prefetch) as consumer:
            beat = settings.worker.heartbeat_seconds
            async with SignOfLife(store, "listener", every_seconds=beat, is_ready=lambda: consumer.is_registered):
                log.info("listening on queue %s", queue.name)
                await dispatcher.run()
