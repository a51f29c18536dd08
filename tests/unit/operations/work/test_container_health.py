"""Containers of a real Docker engine, and engines that hang, answer oddly or are not there."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from blocks.operations.health import check_containers
from blocks.operations.work import NotConfigured
from blocks.settings import Settings, load_settings
from tests.support.operations.docker_engine import DockerEngine
from tests.support.servers.canned_http import answer
from tests.support.waiting import eventually


def settings_of(**variables: object) -> Settings:
    given = {"HEALTH_MONITORING_DOCKER_SOCKET": "/nowhere", "HEALTH_MONITORING_CALL_SECONDS": "2"}
    return load_settings({**given, **{name: str(value) for name, value in variables.items()}})


@pytest.fixture
def engine(docker_engine: DockerEngine) -> Iterator[DockerEngine]:
    yield docker_engine
    docker_engine.remove_all()


async def looked(engine: DockerEngine, containers: str = "") -> dict[str, Any]:
    settings = settings_of(
        HEALTH_MONITORING_DOCKER_SOCKET=engine.socket, HEALTH_MONITORING_CONTAINERS=containers
    )
    return await check_containers(settings.operations.health_monitoring)


async def problems_of(engine: DockerEngine, containers: str = "") -> dict[str, str | None]:
    found = await looked(engine, containers)
    return {service["name"]: service.get("error") for service in found["services"]}


async def test_a_container_that_is_stopped_is_unhealthy(engine: DockerEngine) -> None:
    engine.run("web", "sleep 1000", "--restart", "unless-stopped")
    engine.run("api", "sleep 1000")
    before = await looked(engine)

    await asyncio.to_thread(engine.docker, "stop", "--time", "0", "web")
    found = await looked(engine)

    assert (2, 2, True) == (
        before["containersChecked"],
        before["healthy"],
        before["allHealthy"],
    )
    assert (2, 1, 1, False) == (
        found["containersChecked"],
        found["healthy"],
        found["unhealthy"],
        found["allHealthy"],
    )
    assert [
        {"name": "api", "status": "healthy", "state": "running"},
        {
            "name": "web",
            "status": "unhealthy",
            "state": "exited",
            "error": "it is stopped, with exit code 137",
        },
    ] == found["services"]


async def test_a_container_whose_health_check_fails_is_unhealthy(engine: DockerEngine) -> None:
    engine.run(
        "web",
        "sleep 1000",
        *("--health-cmd", "test -f /ready", "--health-interval", "500ms", "--health-retries", "1"),
    )

    async def is_unhealthy() -> bool:
        return "its health check failed" in ((await problems_of(engine))["web"] or "")

    await eventually(is_unhealthy, within_seconds=30)


async def test_one_that_has_done_its_work_is_left_out_unless_it_is_named(
    engine: DockerEngine,
) -> None:
    for name, command in (("done", "exit 0"), ("broken", "exit 3")):
        engine.run(name, command)
        await asyncio.to_thread(engine.docker, "wait", name)

    assert {"broken": "it is stopped, with exit code 3"} == await problems_of(engine)
    assert {
        "done": "it is stopped, with exit code 0",
        "shop-*": "there is no such container",
    } == await problems_of(engine, "done, shop-*")


async def test_paused_and_restarting_containers_are_unhealthy(engine: DockerEngine) -> None:
    engine.run("paused", "sleep 1000")
    engine.docker("pause", "paused")
    engine.run("failing", "exit 7", "--restart", "always")

    async def is_seen() -> bool:
        problems = await problems_of(engine)
        assert "it is paused" == problems["paused"]
        return problems["failing"] == "it ends and is started again, with exit code 7"

    try:
        await eventually(is_seen, within_seconds=30)
    finally:
        engine.docker("unpause", "paused")


async def test_an_engine_that_hangs_is_a_problem_and_not_that_of_its_containers(
    engine: DockerEngine,
) -> None:
    engine.run("web", "sleep 1000")
    with engine.frozen():
        found = await looked(engine)

    assert ([], False, "it did not answer within 2 s") == (
        found["services"],
        found["allHealthy"],
        found["engineError"],
    )


async def test_without_an_engine_containers_are_skipped_unless_some_are_named() -> None:
    with pytest.raises(NotConfigured, match="HEALTH_MONITORING_DOCKER_SOCKET"):
        await check_containers(load_settings({}).operations.health_monitoring)

    named = settings_of(HEALTH_MONITORING_CONTAINERS="web").operations.health_monitoring
    assert "it cannot be reached (ConnectError)" == (await check_containers(named))["engineError"]


@pytest.mark.parametrize(
    ("canned", "error"),
    [
        (answer(b'{"no": "list"}'), "its answer cannot be read"),
        (answer(b"", "500 Internal Server Error"), "it answered 500"),
    ],
)
async def test_an_engine_that_answers_oddly_is_a_problem(
    tmp_path: Path, canned: bytes, error: str
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(canned)
        writer.close()

    path = tmp_path / "docker.sock"
    async with await asyncio.start_unix_server(serve, path):
        settings = settings_of(HEALTH_MONITORING_DOCKER_SOCKET=path)
        found = await check_containers(settings.operations.health_monitoring)

    assert found["engineError"].startswith(error)
