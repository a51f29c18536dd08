"""Intake: how many events per second become durable records and are acknowledged."""

import time
from typing import Any
from uuid import uuid4

from tests.benchmarks.options import Options
from tests.benchmarks.percentiles import median
from tests.benchmarks.report import Figure, Report
from tests.benchmarks.stage import Bus, Database, Stage, Store
from tests.benchmarks.system import TENANTS, System, events, some_tenants, used

_PARTS: tuple[tuple[str, Bus, Store], ...] = (
    ("all embedded", "embedded", "embedded"),
    ("RabbitMQ + embedded store", "rabbitmq", "embedded"),
    ("RabbitMQ + Cosmos emulator", "rabbitmq", "cosmos"),
)


async def measure(stage: Stage, options: Options) -> Report:
    """One listener, no worker; from the first publish to the empty queue with every record in the
    store.
    """
    count, rounds = options.count(5000, 50), options.turns(2)
    parts = _PARTS[:1] if options.quick else _PARTS
    samples = [
        {
            "parts": name,
            **await _take_in(stage, bus, store, count // 5 if store == "cosmos" else count),
        }
        for _ in range(rounds)
        for name, bus, store in parts
    ]
    figures = [
        Figure(
            name,
            _typical(samples, name),
            "events/s",
            at_least=500 if "embedded store" in name else None,
        )
        for name, _, _ in parts
    ]
    parameters = {
        "events": count,
        "rounds": rounds,
        "tenants": TENANTS,
        "publisher": "this process, all at once",
    }
    return Report("intake", "events → durable and acknowledged", parameters, figures, samples)


async def _take_in(stage: Stage, bus: Bus, store: Store, count: int) -> dict[str, Any]:
    database: Database = "sqlite"
    async with stage.system(prefect=database, bus=bus, store=store) as system:
        system.start(system.listener)
        await system.ready("listener")
        await system.bus.publish(*events(20, str(uuid4())))
        await _until_empty(system, [], 0)
        tenant_ids = some_tenants()
        messages = events(count, *tenant_ids)
        before, began = system.processor_seconds(), time.monotonic()
        await system.bus.publish(*messages)
        published = time.monotonic() - began
        await _until_empty(system, tenant_ids, len(messages))
        seconds = time.monotonic() - began
        return {
            "events": len(messages),
            "events_per_second": len(messages) / seconds,
            "published_after_seconds": published,
            "processor_seconds": used(before, system.processor_seconds()),
        }


async def _until_empty(system: System, tenant_ids: list[str], count: int) -> None:
    """No event waits in the queue, and every record is there. Handlers at work show as records that
    are not there.
    """
    queue = system.settings.rabbitmq.queue

    async def is_empty() -> bool:
        return await system.bus.depth(queue) == 0

    await system.eventually(is_empty, within_seconds=120)
    await system.until_taken_in(tenant_ids, count, within_seconds=30)


def _typical(samples: list[dict[str, Any]], name: str) -> float:
    return median([sample["events_per_second"] for sample in samples if sample["parts"] == name])
