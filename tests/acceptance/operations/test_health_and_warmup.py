"""Health monitoring and cache warm-up on the embedded stack."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from blocks.contracts.operations.catalogue import CACHE_WARMUP, HEALTH_MONITORING
from blocks.contracts.records import ExecutionRecord
from tests.support.notifications.comms_hub import CommsHub, comms_hub
from tests.support.operations.docker_engine import DockerEngine
from tests.support.operations.prefect_runs import run_by_hand
from tests.support.servers.canned_http import CannedHttp, answer, canned_http
from tests.support.servers.postgres import Postgres
from tests.support.servers.prefect_server import PrefectServer
from tests.support.system.orchestra import Orchestra, whole_orchestra

pytestmark = pytest.mark.long


@pytest.fixture
def hub() -> Iterator[CommsHub]:
    with comms_hub() as hub:
        yield hub


@pytest.fixture
async def pages() -> AsyncIterator[tuple[CannedHttp, str]]:
    async with canned_http(answer(b"x" * 500)) as served:
        yield served


@pytest.fixture
def web(docker_engine: DockerEngine) -> Iterator[DockerEngine]:
    """An engine that runs the container `web`."""
    docker_engine.run("web", "sleep 1000", "--restart", "unless-stopped")
    yield docker_engine
    docker_engine.remove_all()


@pytest.fixture
async def parts(
    tmp_path: Path,
    prefect_server: PrefectServer,
    hub: CommsHub,
    pages: tuple[CannedHttp, str],
    web: DockerEngine,
    postgres: Postgres,
) -> AsyncIterator[Orchestra]:
    async with whole_orchestra(
        tmp_path,
        prefect_server,
        ALERT_EMAIL="operators@platform.example",
        COMMS_HUB_URL=hub.url,
        HEALTH_MONITORING_DOCKER_SOCKET=web.socket,
        HEALTH_MONITORING_ENDPOINTS=f"api={pages[1]}/health",
        HEALTH_MONITORING_GRACE_SECONDS="0",
        DATABASE_URL=postgres.url(),
        CACHE_WARMUP_API_URLS=f"{pages[1]}/api/services",
        CACHE_WARMUP_CMS_URLS=f"{pages[1]}/api/pages",
        OPERATIONS_ENABLED="false",
        PREFECT_WORKER_QUERY_SECONDS="0.5",
    ) as parts:
        parts.worker.start()
        yield parts


def result(execution: ExecutionRecord, step: str) -> dict[str, Any]:
    found: dict[str, Any] = (execution.results or {})[step]
    return found


async def test_a_container_that_is_stopped_is_one_message_and_its_return_another(
    parts: Orchestra, hub: CommsHub, web: DockerEngine
) -> None:
    well = await run_by_hand(parts, HEALTH_MONITORING)
    await asyncio.to_thread(web.docker, "stop", "--time", "0", "web")
    down = [await run_by_hand(parts, HEALTH_MONITORING) for _ in range(2)]
    await asyncio.to_thread(web.docker, "start", "web")
    again = await run_by_hand(parts, HEALTH_MONITORING)

    assert ["completed"] * 4 == [one.status for one in (well, *down, again)]
    assert (1, True, True) == (
        result(well, "check-containers")["healthy"],
        result(well, "check-services")["details"][0]["healthy"],
        result(well, "check-database")["databaseHealthy"],
    )
    assert {"checked": 4, "failing": ["container web"]} == {
        name: result(down[0], "aggregate-metrics")["metrics"][name]
        for name in ("checked", "failing")
    }
    assert [0, 1, 0, 1] == [
        result(one, "alert-if-needed")["alertsSent"] for one in (well, *down, again)
    ]
    assert ["[CRITICAL] container web down", "[RESOLVED] the platform is healthy"] == [
        message["subject"] for message in hub.messages
    ]


async def test_pages_are_warmed_and_a_group_without_pages_is_skipped(
    parts: Orchestra, pages: tuple[CannedHttp, str]
) -> None:
    warmed = await run_by_hand(parts, CACHE_WARMUP)

    assert "completed" == warmed.status
    assert {"/api/services", "/api/pages"} == {request.path for request in pages[0].received}
    assert (1, 500, 1) == (
        result(warmed, "warmup-api")["endpointsWarmed"],
        result(warmed, "warmup-api")["bytes"],
        result(warmed, "warmup-cms")["cmsWarmed"],
    )
    assert "CACHE_WARMUP_SESSION_URLS names no pages" == result(warmed, "warmup-session")["reason"]
