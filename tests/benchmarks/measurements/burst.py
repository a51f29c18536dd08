"""A burst: how many executions per second, and how that compares with Prefect as it comes."""

import time
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any

from tests.benchmarks.flames import flame_graphs
from tests.benchmarks.measurements.records import last_announced
from tests.benchmarks.options import Options
from tests.benchmarks.peers import plain_prefect
from tests.benchmarks.percentiles import median, percentile
from tests.benchmarks.report import Figure, Report
from tests.benchmarks.stage import Bus, Database, Stage
from tests.benchmarks.system import TENANTS, System, events, some_tenants, used

_LIMIT_SECONDS = 600
_PARTS: tuple[tuple[str, Database, Bus], ...] = (
    ("Prefect on PostgreSQL", "postgresql", "rabbitmq"),
    ("Prefect on SQLite", "sqlite", "rabbitmq"),
    ("all embedded", "sqlite", "embedded"),
)
_RUNS, _CALLS = 12, 60


async def measure(stage: Stage, options: Options) -> Report:
    """Answers are immediate; the ways are taken in turns. A run of plain Prefect does four tasks
    without work.
    """
    count, rounds = options.count(2000, 20), options.turns(2)
    parts = _PARTS[2:] if options.quick else _PARTS
    runs, calls = (1, 4) if options.quick else (_RUNS // rounds, _CALLS // rounds)
    plain_database: Database = "sqlite" if options.quick else "postgresql"
    samples: list[dict[str, Any]] = []
    for _ in range(rounds):
        for name, database, bus in parts:
            async with stage.system(prefect=database, bus=bus) as system:
                await system.start_all()
                async with _flames(options, name, system):
                    samples.append({"way": name, **await burst(system, count)})
        async with stage.prefect(plain_database) as server:
            calls_per_second = await plain_prefect.calls_per_second(server, calls)
            samples.append(
                {"way": "direct calls", "executions": calls, "per_second": calls_per_second}
            )
            runs_per_second = await plain_prefect.process_worker_runs_per_second(server, runs)
            samples.append(
                {"way": "process worker", "executions": runs, "per_second": runs_per_second}
            )
    parameters = {
        "events": count,
        "rounds": rounds,
        "tenants": TENANTS,
        "runs": runs,
        "calls": calls,
    }
    return Report(
        "burst", "executions/s, answers immediate", parameters, _figures(samples, options), samples
    )


def _flames(options: Options, way: str, system: System) -> AbstractAsyncContextManager[None]:
    if options.flames is None:
        return nullcontext()
    return flame_graphs(options.flames, way, (system.worker, system.listener))


async def burst(system: System, count: int) -> dict[str, Any]:
    """From the first publish to the last confirmed terminal event."""
    tenant_ids = some_tenants()
    messages = events(count, *tenant_ids)
    ends_before = await system.bus.depth(system.ends.name)
    before, began, began_at = system.processor_seconds(), time.monotonic(), time.time()
    await system.bus.publish(*messages)
    published = time.monotonic() - began
    await system.until_taken_in(tenant_ids, len(messages), within_seconds=_LIMIT_SECONDS)
    taken_in = time.monotonic() - began
    await system.until_ended(tenant_ids, len(messages), within_seconds=_LIMIT_SECONDS)
    after = system.processor_seconds()
    ended = await system.records.all(tenant_ids)
    announced = await system.bus.depth(system.ends.name) - ends_before
    assert len(messages) <= announced, f"{announced} terminal events for {len(messages)} executions"
    assert {"completed"} == {record.status for record in ended}
    seconds = last_announced(ended) - began_at
    runs = len({record.flow_run_id for record in ended})
    lasted = [(record.announced_at or record.updated_at).timestamp() - began_at for record in ended]
    return {
        "executions": len(messages),
        "per_second": len(messages) / seconds,
        "published_after": published,
        "taken_in_after": taken_in,
        "first_end_after": min(lasted),
        "half_ended_after": percentile(lasted, 50),
        "flow_runs": runs,
        "announced_again": announced - len(messages),
        "processor_seconds": used(before, after),
    }


def _figures(samples: list[dict[str, Any]], options: Options) -> list[Figure]:
    rates = {
        way: median([sample["per_second"] for sample in samples if sample["way"] == way])
        for way in dict.fromkeys(sample["way"] for sample in samples)
    }
    figures = [Figure(way, rate, "executions/s") for way, rate in rates.items()]
    if options.quick:
        return figures
    best = rates["Prefect on PostgreSQL"]
    return [
        *figures,
        Figure("PostgreSQL : process worker", best / rates["process worker"], "×", at_least=250),
        Figure("PostgreSQL : direct calls", best / rates["direct calls"], "×", at_least=10),
        Figure("SQLite : PostgreSQL", rates["Prefect on SQLite"] / best, "×", at_least=0.5),
    ]
