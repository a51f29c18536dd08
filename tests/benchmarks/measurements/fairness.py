"""Fairness: how much longer one tenant's lone events take while another tenant has thousands
pending, and how much slower those are worked off.
"""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from uuid import uuid4

import msgspec

from blocks.contracts import ids
from blocks.contracts.analysis import WORKFLOW
from tests.benchmarks.options import Options
from tests.benchmarks.percentiles import median, percentile
from tests.benchmarks.processes import machine_seconds
from tests.benchmarks.report import Figure, Report
from tests.benchmarks.stage import Database, Stage
from tests.benchmarks.system import System, events

_EVERY_SECONDS = 0.5
_LIMIT_SECONDS = 600
_ENOUGH = 20
"""So many of B's events must fall into A's backlog before their p95 says something."""


class Drain(msgspec.Struct):
    """How a backlog of A was worked off, from the first of its ends to the last."""

    per_second: float
    batch: float
    """Executions per flow run."""
    idle: float
    """The share of all cores that nothing on this machine used."""
    times_of_b: list[float]


async def measure(stage: Stage, options: Options) -> Report:
    """B sends an event every half second: alone, while A's pending executions are worked off, and
    while A's burst is still being taken in.
    """
    count = options.count(5000, 40)
    enough, alone_count = (1, 3) if options.quick else (_ENOUGH, 40)
    database: Database = "sqlite" if options.quick else "postgresql"
    async with stage.system(
        prefect=database, bus="embedded" if options.quick else "rabbitmq"
    ) as system:
        await system.start_all()
        sent = [0]

        async def enough_alone() -> bool:
            sent[0] += 1
            return sent[0] > alone_count

        alone = await _times_of_b(system, enough_alone)
        a_alone = await _drain(system, count, beside_b=False)
        drains: list[Drain] = []
        while sum(len(drain.times_of_b) for drain in drains) < enough:
            drains.append(await _drain(system, count, beside_b=True))
        burst = await _beside_burst(system, count)
    backlog = [seconds for drain in drains for seconds in drain.times_of_b]
    a_beside = median([drain.per_second for drain in drains])
    limit, least = (None, None) if options.quick else (1.5, 0.8)
    figures = [
        Figure("B alone, p95", percentile(alone, 95), "s"),
        Figure(f"B while A has {count} pending, p95", percentile(backlog, 95), "s"),
        Figure(
            "beside A's backlog : alone",
            percentile(backlog, 95) / percentile(alone, 95),
            "×",
            at_most=limit,
        ),
        Figure("A alone", a_alone.per_second, "executions/s"),
        Figure("A beside B", a_beside, "executions/s"),
        Figure("A beside B : alone", a_beside / a_alone.per_second, "×", at_least=least),
        Figure(f"B from the start of A's burst of {count}, p95", percentile(burst, 95), "s"),
    ]
    samples = [
        {
            "b": name,
            "events": len(times),
            "p50": percentile(times, 50),
            "p95": percentile(times, 95),
            "max": max(times),
        }
        for name, times in (
            ("alone", alone),
            ("beside A's backlog", backlog),
            ("beside A's burst", burst),
        )
    ]
    samples += [
        {"a": name, "per_second": one.per_second, "batch": one.batch, "idle_share": one.idle}
        for name, one in [("alone", a_alone), *(("beside B", drain) for drain in drains)]
    ]
    parameters = {"a_events": count, "b_every_seconds": _EVERY_SECONDS}
    return Report(
        "fairness", "tenant B beside tenant A: event → completed", parameters, figures, samples
    )


async def _drain(system: System, count: int, *, beside_b: bool) -> Drain:
    """A's events are all taken in while the work pool is paused; B's, if any, begin with the first
    of A's that ends.
    """
    pool = system.settings.prefect.work_pool
    await system.server.pause(pool)
    tenant_a = str(uuid4())
    await system.bus.publish(*events(count, tenant_a))
    await system.until_taken_in([tenant_a], count, within_seconds=_LIMIT_SECONDS)
    await system.server.resume(pool)
    await system.until_ended([tenant_a], 1, within_seconds=60)
    began, used = time.time(), machine_seconds()
    times: list[float] = []
    if beside_b:
        times = await _times_of_b(system, _has_ended(system, tenant_a, count))
    await system.until_ended([tenant_a], count, within_seconds=_LIMIT_SECONDS)
    ended = await system.records.all([tenant_a])
    ends = sorted(one.announced_at.timestamp() for one in ended if one.announced_at)
    room = (time.time() - began) * (os.cpu_count() or 1)
    return Drain(
        per_second=(count - 1) / max(ends[-1] - ends[0], 0.001),
        batch=count / len({record.flow_run_id for record in ended}),
        idle=1 - (machine_seconds() - used) / room,
        times_of_b=times,
    )


async def _beside_burst(system: System, count: int) -> list[float]:
    tenant_a = str(uuid4())
    publishing = asyncio.create_task(system.bus.publish(*events(count, tenant_a)))
    await system.until_taken_in([tenant_a], 1, within_seconds=60)
    times = await _times_of_b(system, _has_ended(system, tenant_a, count))
    await publishing
    return times


def _has_ended(system: System, tenant_id: str, count: int) -> Callable[[], Awaitable[bool]]:
    async def has_ended() -> bool:
        return await system.records.ended([tenant_id]) >= count

    return has_ended


async def _times_of_b(system: System, is_over: Callable[[], Awaitable[bool]]) -> list[float]:
    """Seconds from publishing each of B's events to its confirmed end; the records state it, so
    that no listener is needed.
    """
    tenant_b, sent_at = str(uuid4()), {}
    while not await is_over():
        [event] = events(1, tenant_b)
        sent_at[ids.execution_id(tenant_b, WORKFLOW, event.id)] = time.time()
        await system.bus.publish(event)
        await asyncio.sleep(_EVERY_SECONDS)
    await system.until_ended([tenant_b], len(sent_at), within_seconds=_LIMIT_SECONDS)
    ended = await system.records.all([tenant_b])
    return [
        record.announced_at.timestamp() - sent_at[record.id]
        for record in ended
        if record.announced_at
    ]
