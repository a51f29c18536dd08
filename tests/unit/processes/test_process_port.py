"""The port of a listener or a worker: it says how the process is, and nothing to who
may not know.
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
import uvicorn
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

import blocks.observability.metrics.exposition
import blocks.processes.process_port
from blocks.observability.metrics.exposition import Exposition
from blocks.ports import Unavailable
from blocks.processes.process_port import ProcessPort, SignalFreeServer, process_port
from blocks.settings import BadSetting, Settings, load_settings
from deployments.local.metrics_ports import metrics_ports
from tests.support.servers.ports import free_port
from tests.support.waiting import eventually


def settings_with(port: int, **environment: str) -> Settings:
    return load_settings({"LISTENER_METRICS_PORT": str(port), **environment})


@asynccontextmanager
async def a_port(**environment: str) -> AsyncIterator[tuple[ProcessPort, httpx.AsyncClient]]:
    """A port that is open, and a client of it."""
    number = free_port()
    async with (
        process_port(settings_with(number, **environment), "listener") as port,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{number}") as client,
    ):
        yield port, client


class CountedTicks(SignalFreeServer):
    ticks = 0

    async def on_tick(self, counter: int) -> bool:
        self.ticks += 1
        return await super().on_tick(counter)


async def works() -> None:
    pass


async def is_down() -> None:
    raise Unavailable("the broker does not answer")


async def test_it_is_healthy_as_long_as_it_answers() -> None:
    async with a_port() as (_, client):
        answer = await client.get("/health")

    assert 200 == answer.status_code
    assert ("healthy", "workflow-orchestrator", "listener") == tuple(
        answer.json()[key] for key in ("status", "service", "role")
    )


async def test_the_api_has_such_a_port_too() -> None:
    number = free_port()
    async with (
        process_port(load_settings({"API_METRICS_PORT": str(number)}), "api"),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{number}") as client,
    ):
        assert 200 == (await client.get("/metrics")).status_code


async def test_a_hundred_who_ask_at_once_cost_one_rendering(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rendered: list[bytes] = []

    def render() -> bytes:
        rendered.append(generate_latest())
        return rendered[-1]

    monkeypatch.setattr(blocks.observability.metrics.exposition, "generate_latest", render)
    monkeypatch.setattr(blocks.observability.metrics.exposition, "KEPT_SECONDS", 60.0)
    exposition = Exposition()

    answers = await asyncio.gather(*(exposition.text() for _ in range(100)))

    assert ([answers[0]], {answers[0]}) == (rendered, set(answers))


async def test_it_is_not_ready_before_it_has_defined_what_that_means() -> None:
    async with a_port() as (_, client):
        answer = await client.get("/ready")

    assert 503 == answer.status_code
    assert {"start": {"status": "error", "detail": "this process is starting"}} == answer.json()[
        "checks"
    ]


async def test_it_is_ready_when_every_part_works_and_says_which_does_not() -> None:
    async with a_port() as (port, client):
        port.probes = {"database": works}
        ready = await client.get("/ready")
        port.probes = {"database": works, "broker": is_down}
        not_ready = await client.get("/ready")

    assert (200, "ready") == (ready.status_code, ready.json()["status"])
    assert (503, "not_ready") == (not_ready.status_code, not_ready.json()["status"])
    assert {
        "database": {"status": "ok"},
        "broker": {"status": "error", "detail": "the broker does not answer"},
    } == not_ready.json()["checks"]


async def test_a_password_in_what_is_wrong_is_not_shown() -> None:
    async def is_refused() -> None:
        raise Unavailable("connecting to amqp://user:hunter2@broker: refused")

    async with a_port() as (port, client):
        port.probes = {"broker": is_refused}
        answer = await client.get("/ready")

    assert (
        "connecting to amqp://user:***@broker: refused"
        == answer.json()["checks"]["broker"]["detail"]
    )


async def test_its_metrics_are_those_of_the_process() -> None:
    async with a_port() as (_, client):
        answer = await client.get("/metrics")

    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    assert "listener" in {
        sample.labels["role"] for sample in families["workflow_orchestrator_process_info"].samples
    }
    assert "process_resident_memory_bytes" in families


async def test_with_a_token_set_only_who_sends_it_reads_the_metrics() -> None:
    async with a_port(METRICS_BEARER_TOKEN="of-the-test") as (_, client):
        answers = [
            await client.get("/metrics", headers=headers)
            for headers in (
                {},
                {"Authorization": "Bearer wrong"},
                {"Authorization": "Bearer of-the-test"},
            )
        ]
        health = await client.get("/health")

    assert [(401, "Bearer"), (401, "Bearer"), (200, None)] == [
        (answer.status_code, answer.headers.get("www-authenticate")) for answer in answers
    ]
    assert 200 == health.status_code


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/nope", 404), ("POST", "/metrics", 405)]
)
async def test_nothing_else_is_answered(method: str, path: str, status: int) -> None:
    async with a_port() as (_, client):
        assert status == (await client.request(method, path)).status_code


async def test_a_second_process_of_a_kind_takes_the_next_free_port() -> None:
    first = free_port()
    settings = settings_with(first)
    async with (
        process_port(settings, "listener"),
        process_port(settings, "listener"),
        httpx.AsyncClient() as client,
    ):
        assert 200 == (await client.get(f"http://127.0.0.1:{first + 1}/health")).status_code


async def test_without_a_free_port_it_warns_and_works(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks.processes.process_port, "PORTS_TRIED", 1)
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        async with process_port(settings_with(taken), "listener") as port:
            assert port.probes

    assert f"ports {taken} to {taken} of 127.0.0.1 are in use" in caplog.text


async def test_port_0_opens_none() -> None:
    async with process_port(settings_with(0), "listener") as port:
        assert port.probes


async def test_an_address_of_another_machine_is_a_bad_setting() -> None:
    with pytest.raises(BadSetting, match="METRICS_HOST"):
        async with process_port(settings_with(free_port(), METRICS_HOST="192.0.2.1"), "listener"):
            pass


def test_a_stack_names_the_ports_that_its_processes_will_take() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        ports = metrics_ports(
            load_settings(
                {
                    "API_METRICS_PORT": str(number),
                    "LISTENER_METRICS_PORT": "0",
                    "METRICS_HOST": "127.0.0.1",
                }
            )
        )

    assert {"api", "worker"} == set(ports.ports)
    assert number < ports.ports["api"] < number + 10
    assert {"API_METRICS_PORT", "WORKER_METRICS_PORT"} == set(ports.environment())
    assert f"\n  Metrics     http://127.0.0.1:{ports.ports['api']}/metrics (api)\n" in ports.lines()


def test_a_stack_without_metrics_names_none() -> None:
    names = ("API_METRICS_PORT", "LISTENER_METRICS_PORT", "WORKER_METRICS_PORT")

    assert "" == metrics_ports(load_settings(dict.fromkeys(names, "0"))).lines()


async def test_a_server_without_requests_sleeps_until_it_should_exit() -> None:
    port = ProcessPort("a service", "listener", "")
    server = CountedTicks(
        uvicorn.Config(port, host="127.0.0.1", port=0, lifespan="off", log_config=None)
    )
    serving = asyncio.create_task(server.serve())
    await eventually(lambda: is_started(server), within_seconds=60)
    await asyncio.sleep(2)
    server.should_exit = True
    await serving

    assert server.ticks <= 5


async def is_started(server: uvicorn.Server) -> bool:
    return server.started
