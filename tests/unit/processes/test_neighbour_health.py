"""The health of the platform's other services, over real HTTP: `/ready?deep` and the doctor."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from blocks.processes import neighbour_health
from blocks.processes.neighbour_health import Neighbours
from blocks.settings import Settings, load_settings
from deployments.doctor.checks import neighbour_health as check
from deployments.doctor.connections import Connections
from tests.support.api.api_client import an_api
from tests.support.servers.ports import free_port

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Service:
    """Answers each request with one status, and counts; without a status it never answers."""

    def __init__(self, status: str | None, headers: str = "") -> None:
        self.asked: list[str] = []
        self._status, self._headers = status, headers

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        self.asked.append(request.split(b" ")[1].decode())
        if self._status:
            answer = f"HTTP/1.1 {self._status}\r\n{self._headers}content-length: 0\r\n\r\n"
            writer.write(answer.encode())
            await writer.drain()
        else:
            await reader.read()
        writer.close()


@asynccontextmanager
async def served(service: Service) -> AsyncIterator[str]:
    server = await asyncio.start_server(service, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def settings_of(**urls: str) -> Settings:
    return load_settings({f"{name.upper()}_URL": url for name, url in urls.items()})


async def test_each_service_is_asked_for_its_health() -> None:
    well, ill = Service("200 OK"), Service("503 Service Unavailable")
    async with served(well) as here, served(ill) as there:
        nowhere = f"http://127.0.0.1:{free_port()}"
        services = settings_of(risk_analytics=f"{here}/", forecasting=there, auth=nowhere).services

        found = await Neighbours(services).problems()

    assert {
        "auth": "it does not answer: ConnectError",
        "risk_analytics": None,
        "forecasting": "its /health answers 503",
    } == found
    assert (["/health"], ["/health"]) == (well.asked, ill.asked)


async def test_a_redirect_is_not_followed() -> None:
    target = Service("200 OK")
    async with served(target) as there:
        source = Service("302 Found", f"location: {there}/secret\r\n")
        async with served(source) as here:
            found = await Neighbours(settings_of(auth=here).services).problems()

    assert ({"auth": "its /health answers 302"}, []) == (found, target.asked)


async def test_those_that_do_not_answer_are_waited_for_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(neighbour_health, "ANSWER_SECONDS", 0.2)
    silent, other = Service(None), Service(None)
    async with served(silent) as here, served(other) as there:
        found = await Neighbours(settings_of(auth=here, logging=there).services).problems()

    assert {"auth": "no answer in 0.2 s", "logging": "no answer in 0.2 s"} == found
    assert (1, 1) == (len(silent.asked), len(other.asked))


async def test_many_callers_cause_one_request() -> None:
    service = Service("200 OK")
    async with served(service) as here:
        known = Neighbours(settings_of(auth=here).services)
        await asyncio.gather(*(known.problems() for _ in range(50)))
        await known.problems()

    assert ["/health"] == service.asked


async def test_an_answer_counts_for_its_time_only() -> None:
    service = Service("200 OK")
    async with served(service) as here:
        known = Neighbours(settings_of(auth=here).services, kept_seconds=0)
        await known.problems()
        await known.problems()

    assert 2 == len(service.asked)


# --- /ready?deep ----------------------------------------------------------------------------------


@pytest.mark.parametrize("query", ["deep", "deep=", "deep=true", "deep=1"])
async def test_ready_asks_them_if_it_is_to_look_deep_and_stays_ready(
    tmp_path: Path, query: str
) -> None:
    service = Service("500 Internal Server Error")
    async with served(service) as here, an_api(tmp_path, RISK_ANALYTICS_URL=here) as api:
        response = await api.client.get(f"/ready?{query}")

    assert (200, "ready") == (response.status_code, response.json()["status"])
    assert {
        "risk_analytics": {"status": "degraded", "detail": "its /health answers 500"}
    } == response.json()["services"]


@pytest.mark.parametrize("query", ["", "?deep=false", "?deep=0"])
async def test_ready_alone_asks_no_service(tmp_path: Path, query: str) -> None:
    service = Service("200 OK")
    async with served(service) as here, an_api(tmp_path, AUTH_URL=here) as api:
        response = await api.client.get(f"/ready{query}")

    assert (200, []) == (response.status_code, service.asked)
    assert "services" not in response.json()


async def test_ready_refuses_another_depth(tmp_path: Path) -> None:
    async with an_api(tmp_path) as api:
        for none in ("very", "null", "null&deep=null"):
            assert 400 == (await api.client.get(f"/ready?deep={none}")).status_code


# --- doctor ---------------------------------------------------------------------------------------


async def test_the_doctor_names_those_that_do_not_answer_with_what_to_do() -> None:
    service, nowhere = Service("200 OK"), f"http://127.0.0.1:{free_port()}"
    async with served(service) as here:
        found = await check.neighbours(Connections(settings_of(auth=here, forecasting=nowhere)))

    assert [
        ("ok", "healthy: auth"),
        ("warning", f"forecasting at {nowhere}: it does not answer: "),
    ] == [(finding.state, finding.found.removesuffix("ConnectError")) for finding in found]
    assert "FORECASTING_URL" in found[1].todo


async def test_the_doctor_asks_none_where_no_url_is_set() -> None:
    [finding] = await check.neighbours(Connections(settings_of()))

    assert ("services", "ok") == (finding.part, finding.state)
