"""The servers that benchmarks share, and the systems that run on them."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Literal, Self, TypeVar

from tests.benchmarks.system import System
from tests.support.servers.cosmos import CosmosEmulator
from tests.support.servers.postgres import Postgres
from tests.support.servers.prefect_server import PrefectServer
from tests.support.servers.rabbitmq import RabbitMQNode
from tests.support.system.orchestra import orchestra

Database = Literal["postgresql", "sqlite"]
"""What Prefect's server keeps its data in."""

Bus = Literal["embedded", "rabbitmq"]
Store = Literal["embedded", "cosmos"]


S = TypeVar("S", RabbitMQNode, CosmosEmulator, Postgres)


class Stage:
    """Servers, each started when first asked for; all are gone with its `async with`."""

    def __init__(self, tell: Callable[[str], None] = lambda _: None) -> None:
        """`tell` is given the name of each part before it starts: most of a benchmark is waiting
        for them.
        """
        self._tell = tell
        self._open = AsyncExitStack()
        self._rabbitmq: RabbitMQNode | None = None
        self._cosmos: CosmosEmulator | None = None
        self._postgres: Postgres | None = None
        self._count = 0

    async def __aenter__(self) -> Self:
        self._root = Path(self._open.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        return self

    async def __aexit__(
        self, *exc: type[BaseException] | BaseException | TracebackType | None
    ) -> None:
        await self._open.aclose()

    def folder(self, name: str) -> Path:
        self._count += 1
        self._tell(name)
        folder = self._root / f"{name}-{self._count}"
        folder.mkdir()
        return folder

    @property
    def rabbitmq(self) -> RabbitMQNode:
        if self._rabbitmq is None:
            self._rabbitmq = self._started(RabbitMQNode(self.folder("rabbitmq")))
        return self._rabbitmq

    @property
    def cosmos(self) -> CosmosEmulator:
        if self._cosmos is None:
            self._cosmos = self._started(CosmosEmulator())
        return self._cosmos

    @property
    def postgres(self) -> Postgres:
        if self._postgres is None:
            self._postgres = self._started(Postgres())
        return self._postgres

    def _started(self, server: S) -> S:
        self._open.callback(server.close)
        server.start()
        return server

    @asynccontextmanager
    async def prefect(self, database: Database) -> AsyncIterator[PrefectServer]:
        """A Prefect server on an empty database."""
        folder = self.folder("prefect")
        url = self.postgres.create_database(folder.name) if database == "postgresql" else None
        server = PrefectServer(folder, url)
        try:
            await asyncio.to_thread(server.start)
            yield server
        finally:
            await asyncio.to_thread(server.close)

    @asynccontextmanager
    async def system(
        self,
        *,
        prefect: Database = "postgresql",
        bus: Bus = "rabbitmq",
        store: Store = "embedded",
        observed: bool = False,
        **environment: str,
    ) -> AsyncIterator["System"]:
        """A whole system on a Prefect server of its own, deployed; none of its
        processes runs yet.
        """
        folder = self.folder("system")
        variables = self._environment(folder.name, bus, store) | environment
        async with self.prefect(prefect) as server, orchestra(folder, server, **variables) as parts:
            others = {"prefect": server.pid}
            if prefect == "postgresql":
                others["postgres"] = self.postgres.pid
            if bus == "rabbitmq":
                others["rabbitmq"] = self.rabbitmq.pid
            async with System(folder, parts, server, others, observed=observed) as system:
                yield system

    def _environment(self, name: str, bus: Bus, store: Store) -> dict[str, str]:
        environment: dict[str, str] = {}
        if bus == "rabbitmq":
            environment |= {
                "RABBITMQ_URL": self.rabbitmq.url,
                "RABBITMQ_EXCHANGE": f"events-{name}",
                "RABBITMQ_QUEUE": f"orchestrator-{name}",
                "RABBITMQ_BATCH_JOBS_QUEUE": f"jobs-{name}",
            }
        if store == "cosmos":
            environment |= {
                "COSMOS_DB_ENDPOINT": self.cosmos.endpoint,
                "COSMOS_DB_KEY": self.cosmos.key,
                "COSMOS_DB_CA_FILE": str(self.cosmos.ca_file),
                "COSMOS_DB_DATABASE_ID": name,
            }
        return environment


class QuickStage(Stage):
    """One Prefect server on SQLite and one embedded system for all benchmarks: says that they run,
    not how fast.
    """

    def __init__(self, tell: Callable[[str], None] = lambda _: None) -> None:
        super().__init__(tell)
        self._server: PrefectServer | None = None
        self._system: System | None = None

    @asynccontextmanager
    async def prefect(self, database: Database) -> AsyncIterator[PrefectServer]:
        if self._server is None:
            self._server = await self._open.enter_async_context(super().prefect("sqlite"))
        yield self._server

    @asynccontextmanager
    async def system(
        self,
        *,
        prefect: Database = "sqlite",
        bus: Bus = "embedded",
        store: Store = "embedded",
        observed: bool = True,
        **environment: str,
    ) -> AsyncIterator[System]:
        if self._system is None:
            opening = super().system(
                prefect="sqlite", bus="embedded", store="embedded", observed=True
            )
            self._system = await self._open.enter_async_context(opening)
        yield self._system
