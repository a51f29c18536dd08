"""Executions that wait: what each costs in memory, and whether the worker's event loop stays
prompt.
"""

import asyncio
import time
from pathlib import Path
from typing import Any

from blocks.contracts.records import ExecutionRecord
from tests.benchmarks.options import Options
from tests.benchmarks.percentiles import percentile
from tests.benchmarks.processes import memory_bytes
from tests.benchmarks.report import Figure, Report
from tests.benchmarks.stage import Database, Stage
from tests.benchmarks.system import System, events, some_tenants

_LIMIT_SECONDS = 600
_WATCH_SECONDS = 15.0
_ENOUGH = 1000
"""Below so many executions the noise of the allocator is larger than what they need."""


async def measure(stage: Stage, options: Options) -> Report:
    """Nothing answers until so many executions wait in one worker; then all are answered and must
    complete.
    """
    database: Database = "sqlite" if options.quick else "postgresql"
    counts = [options.events] if options.events else [30] if options.quick else [100, 1000, 5000]
    samples = []
    for count in counts:
        async with stage.system(
            prefect=database,
            bus="embedded" if options.quick else "rabbitmq",
            observed=True,
            ANALYSIS_STEP_TIMEOUT_SECONDS="1800",
        ) as system:
            samples.append(
                await _wait_and_complete(system, count, 2.0 if options.quick else _WATCH_SECONDS)
            )
    figures = []
    for sample in samples:
        count, judged = sample["executions"], sample["executions"] >= _ENOUGH
        figures += [
            Figure(
                f"{count} waiting: each", sample["kb_each"], "KB", at_most=20 if judged else None
            ),
            Figure(
                f"{count} waiting: loop lag p99",
                sample["lag_p99_waiting_ms"],
                "ms",
                at_most=250 if judged else None,
            ),
            Figure(
                f"{count} started and answered: loop lag p99",
                sample["lag_p99_ms"],
                "ms",
                at_most=250 if judged else None,
            ),
            Figure(f"{count}: completed", sample["completed"], "executions", at_least=count),
        ]
    return Report(
        "memory",
        "executions waiting for answers in one worker",
        {"counts": counts},
        figures,
        samples,
    )


async def _wait_and_complete(system: System, count: int, watch_seconds: float) -> dict[str, Any]:
    system.start(system.listener, system.worker, system.api, system.services)
    await system.ready("listener", "worker")
    await system.warm_up()
    await system.warm_up(20)  # a batch, so that its code is warm, too
    system.stop(system.services)
    await asyncio.sleep(2)
    idle = memory_bytes(system.worker.pid)
    tenant_ids = some_tenants()
    asked_before = await system.bus.depth(system.requests.name)
    began = time.time()
    await system.bus.publish(*events(count, *tenant_ids))

    async def all_asked() -> bool:
        return await system.bus.depth(system.requests.name) >= asked_before + 4 * count

    await system.eventually(all_asked, within_seconds=_LIMIT_SECONDS)
    asked = time.time()
    await asyncio.sleep(watch_seconds)
    waiting = memory_bytes(system.worker.pid)
    answered = time.time()
    system.start(system.services)
    await system.until_ended(tenant_ids, count, within_seconds=_LIMIT_SECONDS)
    ended = time.time()
    await asyncio.sleep(1)  # the last lags are written
    records: list[ExecutionRecord] = await system.records.all(tenant_ids)
    lags = _lags(system.lag_file)
    return {
        "executions": count,
        "idle_mb": idle / 1e6,
        "waiting_mb": waiting / 1e6,
        "after_mb": memory_bytes(system.worker.pid) / 1e6,
        "kb_each": (waiting - idle) / count / 1e3,
        "flow_runs": len({record.flow_run_id for record in records}),
        "all_waiting_after": asked - began,
        "all_ended_after_answers": ended - answered,
        "lag_p99_starting_ms": _p99(lags, began, asked),
        "lag_p99_waiting_ms": _p99(lags, asked, answered),
        "lag_p99_answered_ms": _p99(lags, answered, ended),
        "lag_p99_ms": _p99(lags, began, ended),
        "lag_max_ms": max(late for at, late in lags if began <= at <= ended),
        "completed": sum(1 for record in records if record.status == "completed"),
    }


def _lags(file: Path) -> list[tuple[float, float]]:
    lines = [line.split() for line in file.read_text().splitlines()]
    return [(float(line[0]), float(line[1])) for line in lines if len(line) == 2]


def _p99(lags: list[tuple[float, float]], since: float, until: float) -> float:
    return percentile([late for at, late in lags if since <= at <= until] or [0.0], 99)
