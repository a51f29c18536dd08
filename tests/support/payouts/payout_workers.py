"""Workers that carry one payout's journey, each in a process of its own, which may be killed.

They are forked from a process that has everything loaded, so that a thousand rounds take minutes.
"""

import asyncio
import gc
import multiprocessing
import os
from pathlib import Path
from typing import Any

import msgspec

from blocks.claims import triggers
from blocks.claims.asking.circuits import Circuits
from blocks.claims.packets import packet_files
from blocks.claims.packets import summary as summary  # else each process would load its library
from blocks.claims.services import ClaimServices
from blocks.contracts import ids
from blocks.contracts.claims.phases import WORKFLOW
from blocks.services import open_bus, open_store
from blocks.settings import Settings
from flows.claims.journey_run import JourneyRun
from flows.claims.parts import Parts
from flows.shared.claims import claim
from flows.shared.runtime import Runtime
from tests.support.factories import A_TENANT
from tests.support.flow_runs import RememberedFlowRuns
from tests.support.journeys.carried import QUICK, doing
from tests.support.journeys.triggers import a_trigger

RUN = "00000000-0000-4000-8000-000000000007"
"""One flow run, which is started again after each death."""

_WORKERS = multiprocessing.get_context("forkserver")
_WORKERS.set_forkserver_preload(["__main__", __name__])


class PayoutWork(msgspec.Struct, frozen=True, kw_only=True):
    """What one process does: sends the trigger so often, and carries the journey."""

    settings: Settings
    """As this process has them; to read their file takes longer than the work."""
    body: dict[str, Any]
    """Of the trigger of phase 7."""
    triggers: int = 1
    dies_at: str = ""
    """A fault point; empty: it lives."""

    @property
    def journey_id(self) -> str:
        user_id, claim_id = self.body["user_id"], self.body["claim_id"]
        return ids.journey_id(A_TENANT, user_id, f"payout_{claim_id}")


async def exit_codes(*works: PayoutWork) -> list[int | None]:
    """Of a process for each, all at once."""
    processes = [_WORKERS.Process(target=_process, args=(work,)) for work in works]
    for process in processes:
        process.start()
    await asyncio.gather(*(_end(process.sentinel) for process in processes))
    for process in processes:
        process.join()
    codes = [process.exitcode for process in processes]
    for process in processes:
        process.close()
    return codes


async def _end(sentinel: int) -> None:
    """Not by a join in a thread: to start one process reads the ends of all, and each is read
    once.
    """
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(sentinel, over.set)
    try:
        await over.wait()
    finally:
        loop.remove_reader(sentinel)


def _process(work: PayoutWork) -> None:
    gc.disable()  # a collection would touch, and so copy, all that was loaded before the fork
    os.environ["FAULT_POINT"] = work.dies_at
    asyncio.run(_carry(work))


async def _carry(work: PayoutWork) -> None:
    settings = work.settings
    async with (
        open_bus(settings, "test") as bus,
        open_store(settings) as store,
        ClaimServices(settings.claims, retries=QUICK, circuits=Circuits()) as services,
    ):
        for _ in range(work.triggers):
            await triggers.accept(store, bus, A_TENANT, a_trigger(7, **work.body))
        held = await claim(store, A_TENANT, work.journey_id, RUN, workflow=WORKFLOW)
        if held is None:  # it has ended
            return
        context = Runtime(settings, bus, store, RememberedFlowRuns())
        journey = JourneyRun(Parts(context, services, packet_files(settings)), held, doing)
        with context.expecting([journey.id], journey):
            await journey.carry()


def files_of(folder: Path, packet_id: str) -> list[str]:
    """Names of the files that the packet has."""
    return sorted(one.name for one in folder.rglob(f"{packet_id}/*") if one.is_file())
