"""One chaos run: the traffic and the faults of a plan side by side, then peace, then the audit."""

import asyncio
import time
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec
from rich.console import Console

from blocks.adapters.prefect.flow_runs import PrefectFlowRuns
from blocks.adapters.rabbitmq.delays import waiting_rooms
from blocks.contracts.records import ExecutionRecord
from blocks.contracts.records.dead_letters import DeadLetterRecord
from blocks.ports import Queue, Unavailable
from blocks.queries import every
from blocks.services import open_bus
from blocks.topology import topology
from tests.benchmarks.report import Figure
from tests.chaos import measures
from tests.chaos.faults import Struck, strike
from tests.chaos.plan import Fault, Plan, plan_of
from tests.chaos.profile import Profile
from tests.chaos.queues import Unacknowledged, left_in
from tests.chaos.report import ChaosReport
from tests.chaos.services import chaotic_services
from tests.chaos.system import ChaosSystem, Database, chaos_system
from tests.chaos.traffic import Traffic
from tests.support.dead_letters import letters
from tests.support.system.audit import Books, audit
from tests.support.system.ledger import TERMINAL, Ledger, identity, ledger_of
from tests.support.waiting import eventually

_PROGRESS_SECONDS = 10.0
_LOOK_SECONDS = 1.0
_UNACKNOWLEDGED_MAX_SECONDS = 30.0


async def run(
    profile: Profile, seed: int, folder: Path, database: Database, command: str, console: Console
) -> ChaosReport:
    """What came of it. Servers, processes and records lie in `folder`, with their logs."""
    plan = plan_of(profile, seed)
    async with AsyncExitStack() as stack:
        console.print(f"starting, seed {seed}, logs in {folder}", highlight=False)
        system = await stack.enter_async_context(chaos_system(folder, profile, database))
        outside = await stack.enter_async_context(open_bus(system.settings, "outside"))
        ledger = await stack.enter_async_context(ledger_of(outside, system.name, identity))
        requests = await stack.enter_async_context(chaotic_services(outside, system.name, seed))
        await system.start_all()
        await asyncio.to_thread(system.broker.settle)
        return await Run(system, plan, profile, seed, ledger, requests, console).carried_out(
            database, command
        )


class Run:
    """Everything that one run knows while it is under way."""

    def __init__(
        self,
        system: ChaosSystem,
        plan: Plan,
        profile: Profile,
        seed: int,
        ledger: Ledger,
        requests: Queue,
        console: Console,
    ) -> None:
        self._system = system
        self._plan = plan
        self._profile = profile
        self._seed = seed
        self._ledger = ledger
        self._requests = requests
        self._console = console
        self._traffic = Traffic(system, plan)
        self._unacknowledged = Unacknowledged(system)
        self._struck: list[Struck] = []
        self._failures: list[str] = []
        self._began = time.time()

    async def carried_out(self, database: str, command: str) -> ChaosReport:
        watching = [
            asyncio.create_task(watch)
            for watch in (
                self._system.supervise(),
                self._unacknowledged.watch(),
                self._show_progress(),
            )
        ]
        try:
            settled_seconds = await self._disturb_and_settle()
        finally:
            for task in watching:
                task.cancel()
            await asyncio.gather(*watching, return_exceptions=True)
        return await self._report(settled_seconds, database, command)

    async def _disturb_and_settle(self) -> float:
        """Seconds from the end of the traffic and the faults until all was done, or the patience
        was over.
        """
        flow = asyncio.create_task(self._traffic.flow(self._began))
        async with asyncio.TaskGroup() as group:
            for fault in self._plan.faults:
                group.create_task(self._strike(fault))
        calm = max(time.time(), self._began + self._profile.seconds)
        patience = calm - time.time() + self._profile.settle_seconds
        try:
            async with asyncio.timeout(patience):
                await flow
                await eventually(
                    self._is_settled, within_seconds=patience, every_seconds=_LOOK_SECONDS
                )
        except (TimeoutError, AssertionError):
            self._failures.append("not everything was confirmed, answered and ended in time")
        except ExceptionGroup as errors:
            self._failures.append(f"the outside world stumbled: {errors.exceptions}")
        return time.time() - calm

    async def _strike(self, fault: Fault) -> None:
        await asyncio.sleep(max(0.0, self._began + fault.at - time.time()))
        try:
            self._struck.append(await strike(self._system, fault, self._plan.tenant_ids))
        except Exception as error:
            self._failures.append(f"{fault.kind} {fault.target}: {_text_of(error)}")

    async def _is_settled(self) -> bool:
        """Whether everything has ended, been announced and been refused as it should be."""
        bus, queue = self._system.bus, self._system.settings.rabbitmq.queue
        try:
            if await bus.depth(queue) or await bus.depth(f"ledger-{self._system.name}"):
                return False
            if len(await self._letters()) < len(self._plan.toxic):
                return False
        except Unavailable:
            return False
        executions = await self._executions()
        causes = {event_id for one in executions for event_id in one.trigger_ids}
        if not self._plan.events.keys() <= causes or any(
            one.announced_at is None for one in executions
        ):
            return False
        return len(self._ledger.of(*TERMINAL)) >= len(executions)

    async def _show_progress(self) -> None:
        while True:
            await asyncio.sleep(_PROGRESS_SECONDS)
            ended = len({event["id"] for event in self._ledger.seen if event["type"] in TERMINAL})
            self._console.print(
                f"{time.time() - self._began:5.0f} s  {len(self._traffic.sent):,} of "
                f"{len(self._plan.events) + len(self._plan.toxic):,} confirmed  {ended:,} ended  "
                f"{len(self._struck)} of {len(self._plan.faults)} faults",
                highlight=False,
            )

    async def _executions(self) -> list[ExecutionRecord]:
        return [
            stored.record
            for tenant_id in self._plan.tenant_ids
            async for stored in every(self._system.store, tenant_id, ExecutionRecord)
        ]

    async def _letters(self) -> list[DeadLetterRecord]:
        """What the consumer of the intake queue refused."""
        found = await letters(self._system.store, *self._plan.tenant_ids)
        return [letter for letter in found if letter.queue == self._system.settings.rabbitmq.queue]

    # --- the end ----------------------------------------------------------------------------------

    async def _report(self, settled_seconds: float, database: str, command: str) -> ChaosReport:
        executions = await self._executions()
        await self._write_down_flow_runs()
        books = Books(
            confirmed={
                id: tenant for id, tenant in self._plan.events.items() if id in self._traffic.sent
            },
            toxic={id: code for id, code in self._plan.toxic.items() if id in self._traffic.sent},
            wanted=self._traffic.wanted,
            answered_early=frozenset(self._plan.answered_early),
            executions=executions,
            wire=self._ledger,
            letters=await self._letters(),
            left=await self._left(),
        )
        sent = {id: at for id, at in self._traffic.sent.items() if id in self._plan.events}
        figures = measures.figures(self._struck, sent, executions)
        longest = self._unacknowledged.longest_seconds
        figures += [
            Figure(
                "longest unacknowledged, at most", longest, "s", at_most=_UNACKNOWLEDGED_MAX_SECONDS
            ),
            Figure("calm → all done", settled_seconds, "s", at_most=self._profile.settle_seconds),
            Figure(
                "faults that the system did not recover from", len(self._failures), "", at_most=0
            ),
        ]
        return ChaosReport(
            command=command,
            seed=self._seed,
            profile=self._profile,
            database=database,
            seconds=time.time() - self._began,
            counts=self._counts(books),
            findings=audit(books),
            figures=figures,
            struck=sorted(self._struck, key=lambda one: one.began),
            deaths=self._system.deaths,
            failures=self._failures,
        )

    async def _write_down_flow_runs(self) -> None:
        """For whoever looks into a run that broke a promise: what Prefect thinks is still to be
        done.
        """
        states = ("scheduled", "pending", "running", "paused")
        try:
            async with PrefectFlowRuns(self._system.server.api_url) as flow_runs:
                open_runs = await flow_runs.list_runs(states=states)
        except Unavailable as error:
            self._failures.append(f"Prefect's server at the end: {error}")
        else:
            lines = [msgspec.json.encode(run) for run in open_runs]
            (Path(self._system.settings.data_dir) / "open-flow-runs.jsonl").write_bytes(
                b"\n".join(lines)
            )

    async def _left(self) -> dict[str, int]:
        """Of our own queues; the dead letters are counted one by one, and nothing here reads the
        batch jobs.
        """
        queues = [queue for queue in topology(self._system.settings) if "jobs" not in queue.name]
        names = [
            name
            for queue in [*queues, self._requests]
            for name in (queue.name, *waiting_rooms(queue))
        ]
        for _ in range(20):  # the last messages may still be on their way
            left = await left_in(self._system, names)
            if not any(left.values()):
                break
            await asyncio.sleep(_LOOK_SECONDS)
        return left

    def _counts(self, books: Books) -> dict[str, int]:
        published = Counter(event["type"] for event in self._ledger.seen)
        statuses = Counter(one.status for one in books.executions)
        return {
            "events confirmed": len(books.confirmed),
            "executions": len(books.executions),
            **dict(sorted(statuses.items())),
            "messages seen": len(self._ledger.seen),
            "seen more than once": len(self._ledger.seen)
            - len({event["id"] for event in self._ledger.seen}),
            "terminal events": sum(published[event_type] for event_type in TERMINAL),
            "toxic messages": len(books.toxic),
            "dead letters": len(books.letters),
        }


def _text_of(error: Exception) -> str:
    if isinstance(error, ExceptionGroup):
        return "; ".join(_text_of(one) for one in error.exceptions)
    return f"{type(error).__name__}: {error}"
