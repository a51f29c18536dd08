"""Prefect as it comes: a flow of four tasks that do nothing, called in one process or run by
Prefect's process worker.

    python -m tests.benchmarks.peers.noop CALLS

calls it so often, ten at a time, and prints how many calls there were per second.
"""

import asyncio
import sys
import time

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.context import AsyncClientContext, SyncClientContext

from deployments.logs import configure_logging

_AT_A_TIME = 10


@task(cache_policy=NO_CACHE, persist_result=False)
async def step(name: str) -> None:
    """Nothing."""


@flow(name="four-steps", persist_result=False)
async def four_steps() -> None:
    """The shape of an opportunity analysis without its work."""
    await asyncio.gather(
        *(step.with_options(name=name)(name) for name in ("risk", "scoring", "forecast", "advice"))
    )


async def calls_per_second(calls: int) -> float:
    """The client contexts are shared, which is Prefect at its fastest."""
    slots = asyncio.Semaphore(_AT_A_TIME)

    async def call() -> None:
        async with slots:
            await four_steps()

    async with AsyncClientContext.get_or_create():
        with SyncClientContext.get_or_create():
            await four_steps()
            began = time.monotonic()
            await asyncio.gather(*(call() for _ in range(calls)))
            return calls / (time.monotonic() - began)


if __name__ == "__main__":
    configure_logging("WARNING", "calls")
    print(asyncio.run(calls_per_second(int(sys.argv[1]))))
