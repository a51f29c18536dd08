"""Metrics of this process itself: its identity, its heartbeat, how late its event loop runs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prometheus_client import Counter, Gauge, Histogram

from blocks.processes.ending import ended

INFORMATION = Gauge(
    "workflow_orchestrator_process_info",
    "1; the labels say which process this is, and its version",
    ["role", "version"],
)
LOOP_LAG = Histogram(
    "workflow_orchestrator_event_loop_lag_seconds",
    "Seconds by which the event loop was late for what it should have done, looked at once a "
    "second",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
SIGN_OF_LIFE_AGE = Gauge(
    "workflow_orchestrator_sign_of_life_age_seconds",
    "Seconds since this process last wrote the record by which the others know that it lives",
    ["role"],
)
ACTIVE_RUNS = Gauge(
    "workflow_orchestrator_worker_flow_runs_active", "Flow runs that this worker carries out now"
)
MEMORY_DRAINS = Counter(
    "workflow_orchestrator_worker_memory_drains_total",
    "Drains of this worker because it held more memory than its limit",
)

_LOOK_SECONDS = 1.0


@asynccontextmanager
async def observed_process(role: str, version: str) -> AsyncIterator[None]:
    """While this lasts, the metrics show which process this is and how late its event loop runs."""
    INFORMATION.labels(role, version).set(1)
    looking = asyncio.create_task(_look_at_the_loop(), name="event loop lag")
    try:
        yield
    finally:
        await ended(looking)


async def _look_at_the_loop() -> None:
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + _LOOK_SECONDS
        await asyncio.sleep(_LOOK_SECONDS)
        LOOP_LAG.observe(max(loop.time() - due, 0.0))
