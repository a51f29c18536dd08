"""The listener process: consumers of the intake and webhook queues, a dispatcher, a heartbeat."""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

from blocks.adapters.prefect.flow_runs import PrefectFlowRuns
from blocks.operations.events.taking import triggers_of
from blocks.ports import Consumer, EventBus, RecordStore, Unavailable
from blocks.processes.ending import ended
from blocks.processes.heartbeat import Heartbeat
from blocks.processes.memory import spare_the_collector
from blocks.processes.process_port import process_port
from blocks.processes.startup import wait_until_available
from blocks.services import open_bus, open_store
from blocks.settings import Settings
from blocks.topology import intake_queue, redis_queue, topology, webhooks_queue
from blocks.webhooks.outgoing_http import HostRules, OutgoingHttp
from blocks.webhooks.retries import delays_of
from listeners.context import Context
from listeners.dead_letters import collectors
from listeners.dispatch.dispatcher import Dispatcher
from listeners.router import Router
from listeners.triggers.intake import Intake
from listeners.webhooks.deliveries import AT_ONCE as WEBHOOKS_AT_ONCE
from listeners.webhooks.deliveries import Webhooks

log = logging.getLogger(__name__)


async def run_listener(settings: Settings) -> None:
    """Takes events in and dispatches executions until cancelled; then finishes what is in hand.

    At the start it waits for the store and the broker as long as the settings allow, then raises
    `Unavailable`; Prefect may come at any time.
    """
    queue, due = intake_queue(settings), webhooks_queue(settings)
    rules = HostRules.of(settings.webhooks.allowed_hosts)
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(process_port(settings, "listener"))
        store = await stack.enter_async_context(open_store(settings))
        bus = await stack.enter_async_context(open_bus(settings, "listener"))
        flow_runs = await stack.enter_async_context(
            PrefectFlowRuns(settings.prefect.api_url or None)
        )
        await stack.enter_async_context(flow_runs.setting_the_clock())
        http = await stack.enter_async_context(
            OutgoingHttp(rules, timeout_seconds=settings.webhooks.timeout_seconds)
        )
        await wait_until_available(
            "the record store", store.provision, limit_seconds=settings.startup.wait_seconds
        )
        await wait_until_available(
            "the broker",
            partial(bus.declare, *topology(settings)),
            limit_seconds=settings.startup.wait_seconds,
        )
        dispatcher = Dispatcher(settings.dispatch, store, bus, flow_runs)
        router = Router(
            Context(
                store,
                bus,
                Intake(store, dispatcher),
                triggers_of(settings),
                is_bridged=bool(settings.operations.redis_url),
            )
        )
        webhooks = Webhooks(store, bus, http, delays_of(settings.webhooks.retry_delays_seconds))
        bridges, receiving = await stack.enter_async_context(_bridge(settings, store, bus))
        async with consuming(
            *bridges,
            bus.consume_together(
                queue, router.handle_together, concurrency=settings.rabbitmq.prefetch
            ),
            bus.consume(due, webhooks.handle, concurrency=WEBHOOKS_AT_ONCE),
            *collectors(store, bus, topology(settings)),
        ) as consumers:

            def is_consuming() -> bool:
                return all(consumer.is_registered for consumer in consumers)

            def is_ready() -> bool:
                return is_consuming() and dispatcher.held_up_by is None

            async def are_registered() -> None:
                if not is_consuming():
                    raise Unavailable("the broker does not know every consumer of this listener")

            async def dispatches() -> None:
                if reason := dispatcher.held_up_by:
                    raise Unavailable(f"executions wait: {reason}")

            port.probes = {
                "consumers": are_registered,
                "dispatch": dispatches,
                "database": store.ping,
                "broker": bus.ping,
                "prefect": flow_runs.ping,
            }
            beat = settings.worker.heartbeat_seconds
            async with Heartbeat(store, "listener", every_seconds=beat, is_ready=is_ready):
                spare_the_collector()
                log.info("listening on queue %s", queue.name)
                await _together(dispatcher.run(), *receiving)


Bridged = tuple[list[AbstractAsyncContextManager[Consumer]], list[Coroutine[Any, Any, None]]]


@asynccontextmanager
async def _bridge(settings: Settings, store: RecordStore, bus: EventBus) -> AsyncIterator[Bridged]:
    """The consumption of the bridge's queue, and its receiving; none without `REDIS_URL`."""
    url = settings.operations.redis_url
    if not url:
        yield [], []
        return
    # Redis's client is 6 MB, which a listener without a bridge does without.
    from blocks.adapters.redis.event_channel import RedisEventChannel
    from listeners.redis_bridge import RedisBridge

    async with RedisEventChannel(url) as channel:
        bridge = RedisBridge(channel, store, bus)
        yield [bus.consume(redis_queue(settings), bridge.handle)], [bridge.receive_for_ever()]


async def _together(*works: Coroutine[Any, Any, None]) -> None:
    """All of it until cancelled, or one of them fails."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        await asyncio.gather(*tasks)
    finally:
        await ended(*tasks)


@asynccontextmanager
async def consuming(
    *consumptions: AbstractAsyncContextManager[Consumer],
) -> AsyncIterator[list[Consumer]]:
    """All of them go on while this lasts; at its end they stop taking messages, and finish, at the
    same time.
    """
    async with AsyncExitStack() as stack:
        consumers = [await stack.enter_async_context(consumption) for consumption in consumptions]
        try:
            yield consumers
        finally:
            stack.pop_all()
            await asyncio.gather(
                *(consumption.__aexit__(None, None, None) for consumption in consumptions)
            )
