"""The measured system: its processes, what they used, and when they are done."""

import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from itertools import cycle, islice
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import uuid4

import aiormq

from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.records import ProcessRecord
from blocks.ports import Message, Query, Queue
from tests.benchmarks.measurements.records import Records, records_of
from tests.benchmarks.processes import Part, machine_seconds, processor_seconds
from tests.support.servers.prefect_server import PrefectServer
from tests.support.system.analysis_services import opportunity_event
from tests.support.system.ledger import REQUESTED, TERMINAL
from tests.support.system.orchestra import Orchestra
from tests.support.waiting import eventually

TENANTS = 4


class System:
    """Listener, worker, api and answering services, each a real process; none is left after its
    `async with`.
    """

    def __init__(
        self,
        folder: Path,
        parts: Orchestra,
        server: PrefectServer,
        others: Mapping[str, int],
        *,
        observed: bool,
    ) -> None:
        self.folder = folder
        self.settings = parts.settings
        self.bus = parts.bus
        self.store = parts.store
        self.server = server
        self.environment = parts.environment
        self.lag_file = folder / "lag"
        self.requests = Queue(name=f"services-{parts.name}", bindings=REQUESTED)
        self.ends = Queue(name=f"ends-{parts.name}", bindings=TERMINAL)
        self._others = others
        worker = (
            ("tests.benchmarks.observed_worker", str(self.lag_file))
            if observed
            else ("deployments.cli", "worker")
        )
        self.listener = Part("listener", ("deployments.cli", "listener"), parts.environment, folder)
        self.worker = Part("worker", worker, parts.environment, folder)
        self.api = Part("api", ("deployments.cli", "api"), parts.environment, folder)
        self.services = Part(
            "services", ("tests.benchmarks.services", self.requests.name), parts.environment, folder
        )
        self._started: list[Part] = []
        self._open = AsyncExitStack()
        self.records: Records

    async def __aenter__(self) -> Self:
        await self._declare_outside_queues()
        self.records = await self._open.enter_async_context(records_of(self.settings, self.store))
        return self

    async def __aexit__(
        self, *exc: type[BaseException] | BaseException | TracebackType | None
    ) -> None:
        for part in reversed(self._started):
            part.stop()
        await self._open.aclose()

    async def _declare_outside_queues(self) -> None:
        """What the answering services and the readers of results would have; on RabbitMQ of its
        cheapest kind.
        """
        url = self.settings.rabbitmq.url
        if self.settings.embedded_file(url):
            await self.bus.declare(self.requests, self.ends)
            return
        async with await aiormq.connect(url) as connection:
            channel = await connection.channel()
            for queue in (self.requests, self.ends):
                await channel.queue_declare(queue.name, durable=True)
                for event_type in queue.bindings:
                    await channel.queue_bind(
                        queue.name, self.settings.rabbitmq.exchange, event_type
                    )

    def start(self, *parts: Part) -> None:
        """These run, those that ran already too."""
        for part in parts:
            if part not in self._started:
                part.start()
                self._started.append(part)

    def stop(self, part: Part) -> None:
        part.stop()
        self._started.remove(part)

    async def start_all(self, *, of_each: int = 1) -> None:
        """All run, so many listeners and workers among them, and one execution has gone through."""
        self.start(self.listener, self.worker, self.api, self.services)
        for number in range(2, of_each + 1):
            for role in ("listener", "worker"):
                command = ("deployments.cli", role)
                self.start(Part(f"{role} {number}", command, self.environment, self.folder))
        await self.ready("listener", "worker", of_each=of_each)
        await self.warm_up()

    async def ready(self, *roles: str, of_each: int = 1) -> None:
        """So many processes of each of these roles report it themselves."""

        async def all_say_so() -> bool:
            page = await self.store.query(SYSTEM_TENANT, Query(ProcessRecord))
            ready = Counter(stored.record.role for stored in page.items if stored.record.ready)
            return all(ready[role] >= of_each for role in roles)

        await self.eventually(all_say_so, within_seconds=60)

    async def warm_up(self, count: int = 1) -> None:
        """Executions of a tenant that is not measured have ended: imports are done and connections
        open.
        """
        tenant_id = str(uuid4())
        await self.bus.publish(*events(count, tenant_id))
        await self.until_ended([tenant_id], count, within_seconds=60)

    async def until_ended(
        self, tenant_ids: list[str], count: int, *, within_seconds: float
    ) -> None:
        """So many executions of these tenants have ended, and their ends are published and
        confirmed.
        """

        async def all_ended() -> bool:
            return await self.records.ended(tenant_ids) >= count

        await self.eventually(all_ended, within_seconds=within_seconds)

    async def until_taken_in(
        self, tenant_ids: list[str], count: int, *, within_seconds: float
    ) -> None:
        """So many executions of these tenants have a record."""

        async def all_there() -> bool:
            return await self.records.opened(tenant_ids) >= count

        await self.eventually(all_there, within_seconds=within_seconds)

    def processor_seconds(self) -> dict[str, float]:
        """What each part has used so far, the servers, this observer and the rest of the machine
        included.
        """
        pids = {**{part.name: part.pid for part in self._started}, **self._others}
        seconds = {name: processor_seconds(pid) for name, pid in pids.items()}
        seconds["observer"] = time.process_time()
        seconds["not ours"] = machine_seconds() - sum(seconds.values())
        return seconds

    async def eventually(
        self, look: Callable[[], Awaitable[bool]], *, within_seconds: float
    ) -> None:
        """Returns when `look` is true. Fails with the ends of all logs when it has
        not for so long.
        """
        try:
            await eventually(look, within_seconds=within_seconds, every_seconds=0.1)
        except AssertionError as error:
            logs = "\n".join(f"--- {part.name}\n{part.log[-3000:]}" for part in self._started)
            raise AssertionError(f"{error}\n{logs}") from None


def events(count: int, *tenant_ids: str) -> list[Message]:
    """So many opportunity events, the tenants in turn, each about an opportunity of its own."""
    return [
        opportunity_event(tenant_id, str(uuid4()), id=str(uuid4()))
        for tenant_id in islice(cycle(tenant_ids), count)
    ]


def some_tenants() -> list[str]:
    """Tenants that are new to the system."""
    return [str(uuid4()) for _ in range(TENANTS)]


def used(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """Processor seconds between two looks, by part."""
    return {name: after[name] - before.get(name, 0.0) for name in after}
