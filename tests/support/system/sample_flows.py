"""Small flows that tests and benchmarks deploy. What they did is kept in this module: they share
its process.
"""

import asyncio
import logging
import os
import time

from prefect import flow, task
from prefect.flow_runs import asuspend_flow_run
from prefect.input import RunInput
from prefect.runtime import flow_run


class Verdict(RunInput):
    approved: bool


bodies: list[tuple[str, int, float]] = []
"""Flow run id, process id and wall time of each flow body that began."""

starts: list[int] = []
"""What each body knew of its run's `run_count`."""

verdicts: list[bool] = []


@task
async def noop(number: int) -> int:
    return number


@flow
async def four_steps() -> int:
    _began()
    return sum(await asyncio.gather(*(noop(number) for number in range(4))))


@flow(persist_result=False)
async def keep_nothing() -> int:
    _began()
    return await noop(1)


@flow
async def meet(guests: int) -> None:
    """Ends when so many runs are in it at the same time."""
    _began()
    while len(bodies) < guests:  # noqa: ASYNC110 - an event would outlive the loop of one test
        await asyncio.sleep(0.02)


@flow
async def wait_long(seconds: float = 60.0) -> None:
    _began()
    await asyncio.sleep(seconds)


@flow
async def break_down() -> None:
    raise ValueError("this flow breaks")


@flow
async def ask_a_person() -> bool:
    _began()
    await noop(1)
    verdict = await asuspend_flow_run(wait_for_input=Verdict, key="gate")
    verdicts.append(verdict.approved)
    return verdict.approved


@flow(retries=1)
async def fail_once_and_ask() -> bool:
    """Its first try fails, its second one suspends."""
    _began()
    if len(bodies) == 1:
        raise ValueError("this flow breaks once")
    verdict = await asuspend_flow_run(wait_for_input=Verdict, key="gate")
    return verdict.approved


@flow
async def step_by_step() -> None:
    """Gives Prefect many occasions to suspend it."""
    _began()
    for number in range(600):
        await noop(number)
        await asyncio.sleep(0.1)


@flow
async def block_the_loop(seconds: float) -> None:
    _began()
    time.sleep(seconds)  # noqa: ASYNC251 - the fault the watchdog is there for


def _began() -> None:
    bodies.append((str(flow_run.id), os.getpid(), time.time()))
    starts.append(flow_run.run_count)


@task
async def write_in_a_task(text: str) -> None:
    logging.getLogger("flows.sample").warning("in a task: %s", text)


@flow(persist_result=False)
async def write_lines(text: str, lines: int, guests: int) -> None:
    """Logs as our flows do, once so many runs are at it at the same time."""
    _began()
    while len(bodies) < guests:  # noqa: ASYNC110 - an event would outlive the loop of one test
        await asyncio.sleep(0.02)
    for number in range(lines):
        logging.getLogger("flows.sample").info("line %d: %s", number, text)
        await asyncio.sleep(0)
    await write_in_a_task(text)
