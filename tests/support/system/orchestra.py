"""The real processes of the system, on whatever bus, store and Prefect server a test names; each
can be killed.
"""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import httpx
import pytest
from prefect.client.orchestration import get_client
from prefect.flows import load_flow_from_entrypoint
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

from blocks.contracts.analysis import WORKFLOW
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.records import ProcessRecord
from blocks.ports import EventBus, RecordStore
from blocks.services import open_bus, open_store
from blocks.settings import Settings, load_settings
from deployments.bootstrap.prefect_yaml import read_deployments
from deployments.bootstrap.provision import provision
from deployments.bootstrap.run import deploy
from deployments.bootstrap.work_pool import create_work_pool
from tests.support.api import credentials
from tests.support.api.credentials import AnyTenant
from tests.support.factories import A_TENANT
from tests.support.servers.cosmos import CosmosEmulator
from tests.support.servers.ports import free_port
from tests.support.servers.prefect_server import PrefectServer
from tests.support.servers.rabbitmq import RabbitMQNode
from tests.support.system.forking import Forked, can_be_forked, fork
from tests.support.waiting import eventually


class Process:
    """One process of ours, in no one's foreground: `kill` is SIGKILL, `stop` SIGTERM."""

    def __init__(self, name: str, environment: Mapping[str, str], log_file: Path) -> None:
        self.name = name
        self.environment = environment
        self._log_file = log_file
        self._process: subprocess.Popen[bytes] | Forked | None = None
        self.source: Path | None = None
        """Where its code lies; None: this checkout."""

    def start(self, **extra_environment: str) -> None:
        environment = {**self.environment, **extra_environment}
        if self.source is None and can_be_forked(environment):
            self._process = fork([self.name], environment, self._log_file)
            return
        with self._log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "deployments.cli", self.name],
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.source,
            )

    def kill(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()

    async def died(self) -> None:
        """It has ended by itself; fails after 60 s."""

        async def is_dead() -> bool:
            return self.is_dead

        await eventually(is_dead, within_seconds=60)

    def stop(self) -> int:
        """The exit code after SIGTERM; killed after 30 s."""
        assert self._process, "it was never started"
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            return self._process.wait(timeout=30)
        self.kill()
        raise AssertionError(f"{self.name} did not stop within 30 s:\n{self.log}")

    @property
    def pid(self) -> int:
        assert self._process, "it was never started"
        return self._process.pid

    @property
    def is_dead(self) -> bool:
        return self._process is not None and self._process.poll() is not None

    @property
    def memory_mb(self) -> float:
        """What it holds in memory."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    @property
    def exit_code(self) -> int | None:
        return self._process.poll() if self._process else None

    @property
    def log(self) -> str:
        return self._log_file.read_text() if self._log_file.exists() else ""


class Orchestra:
    """The parts of one running system, and doors of the test's own to its bus and store."""

    def __init__(self, folder: Path, environment: Mapping[str, str], settings: Settings) -> None:
        self.settings = settings
        self.environment = environment
        self.processes: list[Process] = []
        self._folder = folder
        self.listener, self.worker, self.another_worker, self.api = (
            self.one_more(name) for name in ("listener", "worker", "worker", "api")
        )
        self.bus: EventBus
        self.store: RecordStore

    def one_more(self, name: str) -> Process:
        """Another process of this kind, not started yet; it ends with the rest."""
        self.processes.append(
            process := Process(name, self.environment, self._folder / f"{name}.log")
        )
        return process

    async def has_workers(self, count: int) -> bool:
        """So many workers have shown that they live, and none of them was found dead."""
        return await self.store.count(SYSTEM_TENANT, ProcessRecord, {"role": "worker"}) == count

    @property
    def name(self) -> str:
        """Distinguishes this system's queues from those of others on the same broker."""
        return self.settings.rabbitmq.exchange

    def logs(self) -> str:
        return "\n".join(
            f"--- {part.name}\n{part.log[-3000:]}"
            for part in (self.listener, self.worker, self.api)
        )


@asynccontextmanager
async def whole_orchestra(
    folder: Path, prefect: PrefectServer, **environment: str
) -> AsyncIterator[Orchestra]:
    """The system as `orchestrator bootstrap` leaves it, with the batch jobs and the blocks."""
    async with orchestra(folder, prefect, **environment) as parts:
        await bootstrap(parts)
        yield parts


@asynccontextmanager
async def orchestra(
    folder: Path, prefect: PrefectServer, **environment: str
) -> AsyncIterator[Orchestra]:
    """The system, provisioned and deployed, no process running yet; at the end nothing of it is
    left.

    Deployed is what events start; see `whole_orchestra`.
    """
    async with undeployed_orchestra(folder, prefect, **environment) as parts:
        await deploy_analysis(parts.settings, prefect, parts.environment)
        yield parts


@asynccontextmanager
async def undeployed_orchestra(
    folder: Path, prefect: PrefectServer, **environment: str
) -> AsyncIterator[Orchestra]:
    """The system with its queues and tables, of which Prefect knows nothing yet."""
    variables = {
        **prefect.client_environment(),
        "ORCHESTRATOR_DATA_DIR": str(folder),
        "PREFECT_WORK_POOL": f"pool-{folder.name}",
        "PORT": str(free_port()),
        **credentials.ENVIRONMENT,
        **environment,
    }
    variables.pop("FAULT_POINT", None)
    settings = load_settings(variables)
    parts = Orchestra(folder, variables, settings)
    await provision(settings)
    async with AsyncExitStack() as stack:
        parts.bus = await stack.enter_async_context(open_bus(settings, "test"))
        parts.store = await stack.enter_async_context(open_store(settings))
        try:
            yield parts
        finally:
            for process in parts.processes:
                process.kill()


def on_rabbitmq(node: RabbitMQNode, name: str) -> dict[str, str]:
    """Settings of a system with an exchange and queues of its own on this node."""
    return {
        "RABBITMQ_URL": node.url,
        "RABBITMQ_EXCHANGE": f"events-{name}",
        "RABBITMQ_QUEUE": f"orchestrator-{name}",
        "RABBITMQ_BATCH_JOBS_QUEUE": f"jobs-{name}",
        "RABBITMQ_WEBHOOKS_QUEUE": f"webhooks-{name}",
    }


def on_cosmos(cosmos: CosmosEmulator, name: str) -> dict[str, str]:
    """Settings of a system with a database of its own in this emulator."""
    return {
        "COSMOS_DB_ENDPOINT": cosmos.endpoint,
        "COSMOS_DB_KEY": cosmos.key,
        "COSMOS_DB_CA_FILE": str(cosmos.ca_file),
        "COSMOS_DB_DATABASE_ID": name,
    }


def on_real_parts(request: pytest.FixtureRequest, name: str) -> dict[str, str]:
    """Settings of a system on RabbitMQ and the Cosmos emulator, which start if no test has asked
    for them before.
    """
    rabbitmq, cosmos = (
        request.getfixturevalue("rabbitmq"),
        request.getfixturevalue("cosmos_emulator"),
    )
    return {**on_rabbitmq(rabbitmq, name), **on_cosmos(cosmos, name)}


def client_of(parts: Orchestra) -> httpx.AsyncClient:
    """Speaks to the API of this system for `A_TENANT`, with every role; waits for
    the API to start.
    """
    return httpx.AsyncClient(
        auth=AnyTenant(),
        base_url=f"http://127.0.0.1:{parts.settings.server.port}",
        headers={"X-Tenant-ID": A_TENANT},
        timeout=30,
        transport=httpx.AsyncHTTPTransport(retries=20),
    )


async def deploy_analysis(
    settings: Settings, prefect: PrefectServer, environment: Mapping[str, str]
) -> None:
    """Prefect has the work pool and the deployment of the analysis: a tenth of what `bootstrap`
    asks of it.
    """
    await deploy_workflow(settings, prefect, environment, WORKFLOW)


async def deploy_workflow(
    settings: Settings, prefect: PrefectServer, environment: Mapping[str, str], name: str
) -> None:
    """Prefect has the work pool and the deployment of this name."""
    stanza = next(stanza for stanza in read_deployments() if stanza.name == name)
    auth = environment.get("PREFECT_API_AUTH_STRING")
    with temporary_settings({PREFECT_API_URL: prefect.api_url, PREFECT_API_AUTH_STRING: auth}):
        async with get_client() as client:
            await create_work_pool(client, settings.prefect.work_pool)
            await deploy(
                client,
                stanza,
                load_flow_from_entrypoint(stanza.entrypoint),
                settings.prefect.work_pool,
            )


async def bootstrap(parts: Orchestra, **changes: str) -> None:
    """Prefect has all that the system needs of it, with these changes to its settings."""
    log = Path(parts.environment["ORCHESTRATOR_DATA_DIR"]) / "bootstrap.log"
    environment = {**parts.environment, **changes}
    code = await asyncio.to_thread(lambda: fork(["bootstrap"], environment, log).wait())
    assert code == 0, log.read_text()
