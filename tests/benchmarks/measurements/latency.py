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
    come to rest.
    """
    count = options.count(100, 3)
    parts = _PARTS[2:] if options.quick else _PARTS
    figures, samples = [], []
    for name, database, bus in parts:
        async with stage.system(prefect=database, bus=bus) as system:
            await system.start_all()
            async with stopwatch(system) as watch:
                await watch.time(str(uuid4()))
                timed = [await _timed(watch) for _ in range(count)]
        requested, ended = [one[0] for one in timed], [one[1] for one in timed]
        target = database == "postgresql"
        figures += [
            Figure(
                f"{name}: requests p50",
                percentile(requested, 50),
                "s",
                at_most=0.05 if target else None,
            ),
            Figure(
                f"{name}: requests p95",
                percentile(requested, 95),
                "s",
                at_most=1.5 if target else None,
            ),
            Figure(
                f"{name}: completed p50",
                percentile(ended, 50),
                "s",
                at_most=0.07 if target else None,
            ),
            Figure(f"{name}: completed p95", percentile(ended, 95), "s"),
        ]
        samples.append(
            {"parts": name, "slowest_request": max(requested), "slowest_end": max(ended)}
        )
    return Report(
        "latency",
        "a lone event: received → requested → completed",
        {"events": count},
        figures,
        samples,
    )


async def _timed(watch: "Stopwatch") -> tuple[float, float]:
    await asyncio.sleep(_PAUSE_SECONDS)
    return await watch.time(str(uuid4()))


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
