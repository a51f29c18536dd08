"""The engine, and a system on real parts whose runs are containers of it.

What runs on this machine is reached from the containers at the gateway of their network.
"""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from prefect.client.orchestration import PrefectClient, get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from deployments.prefect.embedded import HOSTS
from tests.support.operations.docker_engine import DockerEngine, require_docker_engine
from tests.support.operations.docker_runs import BACKUP, JOB, NETWORK, ROTATION, USER
from tests.support.operations.orchestrator_image import DEBOOTSTRAP, IMAGE, build_image
from tests.support.operations.shop import Shop
from tests.support.servers.prefect_server import PrefectServer
from tests.support.servers.rabbitmq import RabbitMQNode
from tests.support.servers.tcp_proxy import TcpProxy
from tests.support.system.orchestra import Orchestra, bootstrap, on_rabbitmq, undeployed_orchestra


@pytest.fixture(scope="package")
def engine(request: pytest.FixtureRequest) -> Iterator[DockerEngine]:
    require_docker_engine(DEBOOTSTRAP)
    engine = DockerEngine()
    try:
        engine.start()
        build_image(engine, request.config.cache.mkdir("docker"))
        engine.docker("network", "create", NETWORK)
        yield engine
    finally:
        engine.close()


@pytest.fixture(scope="package")
def gateway(engine: DockerEngine) -> str:
    """This machine's address in the network of the containers."""
    return engine.docker("network", "inspect", NETWORK, "-f", "{{(index .IPAM.Config 0).Gateway}}")


@pytest.fixture
def prefect_server(tmp_path: Path, gateway: str) -> Iterator[PrefectServer]:
    """One that answers to this machine's name in the network of the containers, too."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(HOSTS, gateway)
        folder = tmp_path / "prefect"
        folder.mkdir()
        server = PrefectServer(folder)
        try:
            server.start()
            yield server
        finally:
            server.close()


@pytest.fixture
async def parts(
    tmp_path: Path, shop: Shop, gateway: str, prefect_server: PrefectServer, rabbitmq: RabbitMQNode
) -> AsyncIterator[Orchestra]:
    data = tmp_path / "data"
    (data / "logs").mkdir(parents=True, exist_ok=True)
    with (
        TcpProxy(prefect_server.api_url, host=gateway) as prefect,
        TcpProxy(shop.url, host=gateway) as database,
        TcpProxy(rabbitmq.url, host=gateway) as broker,
    ):
        settings = {
            **on_rabbitmq(rabbitmq, tmp_path.name),
            "RABBITMQ_URL": broker.url,
            "COSMOS_DB_ENDPOINT": "sqlite:records.db",
            "PREFECT_API_URL": prefect.url,
            "PREFECT_WORKER_QUERY_SECONDS": "1",
            "DATABASE_URL": database.url,
            "DATABASE_BACKUP_CRON": "* * * * *",
            "OUTCOME_SYNC_CRON": "* * * * *",
            "LOG_ROTATION_PATHS": "/data/logs/*.log",
            "LOG_ROTATION_QUIET_HOURS": "0",
            "RECONCILER_INTERVAL_SECONDS": "1",
            "DOCKER_RUNS": f"{JOB},{BACKUP},{ROTATION}",
            "DOCKER_RUNS_IMAGE": IMAGE,
            "DOCKER_RUNS_NETWORKS": NETWORK,
            "DOCKER_RUNS_VOLUMES": f"{data}:/data",
        }
        async with undeployed_orchestra(data, prefect_server, **settings) as parts:
            await bootstrap(parts)
            for path in (data, *data.rglob("*")):
                os.chown(path, USER, USER)
            yield parts


@pytest.fixture
async def prefect(parts: Orchestra) -> AsyncIterator[PrefectClient]:
    with temporary_settings({PREFECT_API_URL: parts.settings.prefect.api_url}):
        async with get_client() as client:
            yield client
