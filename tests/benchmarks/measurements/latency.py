"""A lone event: how long until the four requests are published, and until the
analysis has ended.
"""

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

from blocks.contracts import ids
from blocks.contracts.analysis import WORKFLOW
from blocks.ports import Accept, Delivery, Message, Queue, Verdict
from tests.benchmarks.options import Options
from tests.benchmarks.percentiles import percentile
from tests.benchmarks.report import Figure, Report
from tests.benchmarks.stage import Bus, Database, Stage
from tests.benchmarks.system import System, events
from tests.support.system.ledger import REQUESTED, TERMINAL

_PARTS: tuple[tuple[str, Database, Bus], ...] = (
    ("PostgreSQL, RabbitMQ", "postgresql", "rabbitmq"),
    ("SQLite, RabbitMQ", "sqlite", "rabbitmq"),
    ("all embedded", "sqlite", "embedded"),
)
_LIMIT_SECONDS = 60.0
_PAUSE_SECONDS = 0.2


async def measure(stage: Stage, options: Options) -> Report:
    """One event at a time, each published when the analysis before it has ended and the system has
    come to rest: of a tenant of its own, and of one tenant.
    """
    count = options.count(100, 3)
    parts = _PARTS[2:] if options.quick else _PARTS
    figures, samples = [], []
    for name, database, bus in parts:
        async with stage.system(prefect=database, bus=bus) as system:
            await system.start_all()
            async with stopwatch(system) as watch:
                await watch.time(str(uuid4()))
                alone = [await _timed(watch, str(uuid4())) for _ in range(count)]
                at_work = str(uuid4())
                joining = [await _timed(watch, at_work) for _ in range(count)]
        has_target = database == "postgresql"
        figures += _figures(f"{name}, a new tenant", alone, has_target)
        figures += _figures(f"{name}, a tenant at work", joining, has_target)
        samples += [
            {
                "parts": name,
                "tenant": tenant,
                "slowest_request": max(requested),
                "slowest_end": max(end),
            }
            for tenant, (requested, end) in (
                ("new", zip(*alone, strict=True)),
                ("at work", zip(*joining, strict=True)),
            )
        ]
    return Report(
        "latency",
        "a lone event: received → requested → completed",
        {"events": count},
        figures,
        samples,
    )


def _figures(name: str, timed: list[tuple[float, float]], has_target: bool) -> list[Figure]:
    requested, ended = [one[0] for one in timed], [one[1] for one in timed]
    wanted = {"requests p50": 0.05, "requests p95": 1.5, "completed p50": 0.07}
    return [
        Figure(
            f"{name}: {figure}",
            percentile(values, percent),
            "s",
            at_most=wanted.get(figure) if has_target else None,
        )
        for figure, values, percent in (
            ("requests p50", requested, 50),
            ("requests p95", requested, 95),
            ("completed p50", ended, 50),
            ("completed p95", ended, 95),
        )
    ]


async def _timed(watch: "Stopwatch", tenant_id: str) -> tuple[float, float]:
    await asyncio.sleep(_PAUSE_SECONDS)
    return await watch.time(tenant_id)


class Stopwatch:
    """Sends events and sees, on the bus like any other service, when their requests and their end
    arrive.
    """

    def __init__(self, system: System) -> None:
        self._system = system
        self._requests: dict[str, set[str]] = defaultdict(set)
        self._requested_at: dict[str, float] = {}
        self._ended: dict[str, asyncio.Future[float]] = {}

    async def time(self, tenant_id: str) -> tuple[float, float]:
        """Seconds from just before the publish to the fourth request, and to the end."""
        [event] = events(1, tenant_id)
        execution_id = execution_of(event, tenant_id)
        ended = self._ended[execution_id] = asyncio.get_running_loop().create_future()
        began = time.monotonic()
        await self._system.bus.publish(event)
        ended_at = await asyncio.wait_for(ended, _LIMIT_SECONDS)
        return self._requested_at[execution_id] - began, ended_at - began

    async def see(self, delivery: Delivery) -> Verdict:
        event = json.loads(delivery.message.body)
        execution_id = event["data"]["workflowId"]
        if ended := self._ended.get(execution_id):
            if event["type"] in REQUESTED:
                self._requests[execution_id].add(event["type"])
                if len(self._requests[execution_id]) == len(REQUESTED):
                    self._requested_at.setdefault(execution_id, time.monotonic())
            elif not ended.done():
                ended.set_result(time.monotonic())
        return Accept()


def execution_of(event: Message, tenant_id: str) -> str:
    return ids.execution_id(tenant_id, WORKFLOW, event.id)


@asynccontextmanager
async def stopwatch(system: System) -> AsyncIterator[Stopwatch]:
    watch = Stopwatch(system)
    queue = Queue(name=f"stopwatch-{uuid4()}", bindings=(*REQUESTED, *TERMINAL))
    await system.bus.declare(queue)
    async with system.bus.consume(queue, watch.see, concurrency=100):
        yield watch
