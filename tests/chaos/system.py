"""The system that is broken: two of most things, each a real process, and a supervisor that starts
again what ended.
"""

import asyncio
import os
import signal
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path
from typing import Literal

import httpx

from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.records import ProcessRecord
from blocks.ports import NotFound, Query
from tests.chaos.profile import Profile
from tests.support.operations.redis_server import RedisServer
from tests.support.scale.older_source import unpack_older_source
from tests.support.scale.prefect_servers import PrefectServers
from tests.support.servers.ports import free_port
from tests.support.servers.postgres import Postgres
from tests.support.servers.prefect_server import PrefectServer
from tests.support.servers.rabbitmq import RabbitMQNode
from tests.support.system.orchestra import Orchestra, Process, orchestra
from tests.support.waiting import eventually

Database = Literal["postgresql", "sqlite"]
"""What Prefect's server keeps its data in."""

READY_SECONDS = 120.0
_SUPERVISE_SECONDS = 1.0


class Part:
    """One process of ours under supervision. `life` is the record in which it shows that it lives,
    once it has.
    """

    def __init__(self, name: str, role: str, environment: Mapping[str, str], folder: Path) -> None:
        self.name = name
        self.role = role
        self.process = Process(role, environment, folder / f"{name}.log")
        self.life: str | None = None
        self.is_meant_to_run = False
        self.busy = asyncio.Lock()
        """Held by whoever breaks or mends it."""

    def start(self) -> float:
        """It starts now; the moment, in seconds since 1970."""
        self.life = None
        self.is_meant_to_run = True
        self.process.start()
        return time.time()

    def url(self, path: str) -> str:
        """Of an API."""
        return f"http://127.0.0.1:{self.process.environment['PORT']}{path}"

    def kill(self) -> None:
        self.is_meant_to_run = False
        self.process.kill()

    def stop(self) -> None:
        """It has ended in order."""
        self.is_meant_to_run = False
        self.process.stop()

    def freeze(self) -> None:
        os.kill(self.process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.process.pid, signal.SIGCONT)


class ChaosSystem:
    """Broker, Prefect server and all processes of ours. `deaths` are ends that
    this run did not cause.
    """

    def __init__(
        self, parts: Orchestra, broker: RabbitMQNode, server: PrefectServer, profile: Profile
    ) -> None:
        self.broker = broker
        self.server = server
        self.servers = {
            f"server-{number + 1}": member for number, member in enumerate(server.members)
        }
        self.bus = parts.bus
        self.store = parts.store
        self.settings = parts.settings
        self.name = parts.name
        self.deaths: list[str] = []
        self.broker_busy = asyncio.Lock()
        self.server_busy = asyncio.Lock()
        self._births = defaultdict[str, asyncio.Lock](asyncio.Lock)
        folder = Path(parts.settings.data_dir)
        names = [("listener", number + 1) for number in range(profile.listeners)]
        names += [("worker", number + 1) for number in range(profile.workers)]
        names += [("api", number + 1) for number in range(profile.apis)]
        made = [
            Part(f"{role}-{number}", role, _with_ports(parts.environment, role), folder)
            for role, number in names
        ]
        self.parts = {part.name: part for part in made}
        self._apis = cycle(self.of("api"))

    def of(self, role: str) -> list[Part]:
        return [part for part in self.parts.values() if part.role == role]

    def url(self, path: str) -> str:
        """Of the next API: who is not answered there asks again elsewhere."""
        return next(self._apis).url(path)

    async def start_all(self) -> None:
        """Every process runs and does its work."""
        await asyncio.gather(*(self.start(part) for part in self.parts.values()))

    async def start(self, part: Part) -> float:
        """The process does its work; the moment of its start. Fails with the end of its log if it
        does not.
        """
        async with self._births[
            part.role
        ]:  # a record does not name its process: one of a role at a time is born
            since = part.start()
            await self._eventually(part, lambda: self._is_born(part, since))
        await self._eventually(part, lambda: self._is_ready(part))
        return since

    async def _eventually(self, part: Part, look: Callable[[], Awaitable[bool]]) -> None:
        """As soon as that is so; a process that ended over it is started again, as a supervisor
        would.
        """

        async def looked() -> bool:
            if part.process.is_dead:
                self._restart(part)
            return await look()

        try:
            await eventually(looked, within_seconds=READY_SECONDS, every_seconds=0.1)
        except AssertionError:
            raise AssertionError(
                f"{part.name} was not ready:\n{part.process.log[-3000:]}"
            ) from None

    async def life_of(self, part: Part) -> ProcessRecord | None:
        """What the process last reported of itself."""
        if part.life is None:
            return None
        with suppress(NotFound):
            return (await self.store.read(SYSTEM_TENANT, ProcessRecord, part.life)).record
        return None

    async def supervise(self) -> None:
        """What ends by itself is started again, as any supervisor of processes would, until this is
        cancelled.
        """
        while True:
            await asyncio.sleep(_SUPERVISE_SECONDS)
            for part in self.parts.values():
                if part.is_meant_to_run and part.process.is_dead and not part.busy.locked():
                    async with part.busy:
                        self._note_death(part)
                        await self.start(part)

    def _restart(self, part: Part) -> None:
        self._note_death(part)
        part.start()

    def _note_death(self, part: Part) -> None:
        self.deaths.append(f"{part.name}: {_last_line(part.process.log)}")

    async def _is_born(self, part: Part, since: float) -> bool:
        """It has left a record: that of its role which began after that moment and is no other
        part's.
        """
        if part.role == "api":
            return True
        if part.life is None:
            taken = {other.life for other in self.parts.values()}
            page = await self.store.query(SYSTEM_TENANT, Query(ProcessRecord, {"role": part.role}))
            born_after = datetime.fromtimestamp(since, UTC)
            born = [one.record for one in page.items if one.record.created_at >= born_after]
            part.life = next((record.id for record in born if record.id not in taken), None)
        return part.life is not None

    async def _is_ready(self, part: Part) -> bool:
        if part.role == "api":
            return await _answers(part)
        life = await self.life_of(part)
        return life is not None and life.ready


async def _answers(api: Part) -> bool:
    try:
        async with httpx.AsyncClient() as client:
            return (await client.get(api.url("/health"), timeout=2)).is_success
    except httpx.HTTPError:
        return False


def _with_ports(environment: Mapping[str, str], role: str) -> Mapping[str, str]:
    """Each API has a port of its own; where processes show how they are, any that is free."""
    return {**environment, "PORT": str(free_port())} if role == "api" else environment


@asynccontextmanager
async def chaos_system(
    folder: Path, profile: Profile, database: Database
) -> AsyncIterator[ChaosSystem]:
    """All servers run, and the system is deployed on them; none of its processes runs yet. Logs lie
    in `folder`.
    """
    async with AsyncExitStack() as stack:
        broker = RabbitMQNode(_made(folder / "rabbitmq"))
        stack.callback(broker.close)
        await asyncio.to_thread(broker.start)
        url = None
        if database == "postgresql":
            postgres = Postgres()
            stack.callback(postgres.close)
            await asyncio.to_thread(postgres.start)
            url = postgres.create_database("prefect")
        server = _server(_made(folder / "prefect"), url, profile.servers, stack)
        stack.callback(server.close)
        await asyncio.to_thread(server.start)
        parts = await stack.enter_async_context(
            orchestra(
                _made(folder / "system"),
                server,
                RABBITMQ_URL=broker.url,
                HITL_APPROVALS_ENABLED="true",
                BATCH_JOBS_ENABLED="false",
                # Nothing is ever left unanswered here: on a busy machine outages may outlast the
                # usual five minutes.
                ANALYSIS_STEP_TIMEOUT_SECONDS="3600",
            )
        )
        system = ChaosSystem(parts, broker, server, profile)
        if profile.rolling_restarts:
            older = unpack_older_source(folder)
            for part in system.parts.values():
                part.process.source = older
        stack.callback(_end, system)
        yield system


def _server(folder: Path, url: str | None, count: int, stack: AsyncExitStack) -> PrefectServer:
    if count == 1:
        return PrefectServer(folder, url)
    if url is None:
        raise ValueError("several Prefect servers need PostgreSQL")
    redis = RedisServer()
    stack.callback(redis.kill)
    redis.start()
    return PrefectServers(folder, url, redis, count)


def _end(system: ChaosSystem) -> None:
    for part in system.parts.values():
        part.kill()  # SIGKILL ends what is frozen, too


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def _last_line(log: str) -> str:
    lines = log.strip().splitlines()
    return lines[-1][:200] if lines else "(no log)"
