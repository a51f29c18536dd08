"""A server of this machine alone answers no page of another origin and no other name."""

import httpx
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send

from blocks.prefect_internals.server import IN_MEMORY
from deployments.prefect.embedded import HOSTS, GuardedCors
from deployments.prefect.loopback_only import LoopbackOnly

OURS = "127.0.0.1:4200"


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        (OURS, None, 200),
        (OURS, f"http://{OURS}", 200),
        ("localhost:4200", "http://localhost:4200", 200),
        ("[::1]:4200", None, 200),
        (OURS, "http://evil.example", 403),
        (OURS, "http://127.0.0.1:8000", 403),
        (OURS, f"https://{OURS}", 403),
        (OURS, "null", 403),
        (OURS, "", 403),
        ("evil.example:4200", None, 403),
        ("127.0.0.1.evil.example", None, 403),
        ("evil.example", "http://evil.example", 403),
        ("[", None, 403),
        ("", None, 403),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "DELETE"])
async def test_who_is_answered(method: str, host: str, origin: str | None, status: int) -> None:
    guarded = LoopbackOnly(PlainTextResponse("answered"))
    headers = {"Host": host} | ({"Origin": origin} if origin is not None else {})
    transport = httpx.ASGITransport(guarded)
    async with httpx.AsyncClient(transport=transport, base_url=f"http://{OURS}") as client:
        answer = await client.request(method, "/api/flow_runs/1/resume", headers=headers)

    assert status == answer.status_code
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    ("site", "destination", "status"),
    [
        ("same-origin", "empty", 200),
        ("none", "document", 200),
        ("cross-site", "document", 200),
        ("same-site", "document", 200),
        ("cross-site", "iframe", 403),
        ("same-site", "iframe", 403),
        ("cross-site", "script", 403),
        ("same-site", "image", 403),
        ("cross-site", "empty", 403),
        ("cross-site", None, 403),
        ("anything", "object", 403),
    ],
)
async def test_a_foreign_page_may_lead_here_and_embed_nothing(
    site: str, destination: str | None, status: int
) -> None:
    headers = {"Sec-Fetch-Site": site} | ({"Sec-Fetch-Dest": destination} if destination else {})
    transport = httpx.ASGITransport(LoopbackOnly(PlainTextResponse("answered")))
    async with httpx.AsyncClient(transport=transport, base_url=f"http://{OURS}") as client:
        assert status == (await client.get("/", headers=headers)).status_code


@pytest.mark.parametrize(
    ("host", "headers", "status"),
    [
        ("prefect:4200", {}, 200),
        ("127.0.0.1:4200", {}, 200),
        ("prefect.evil.example:4200", {}, 403),
        ("other:4200", {}, 403),
        ("prefect:4200", {"Origin": "http://prefect:4200"}, 403),
        ("prefect:4200", {"Origin": "http://evil.example"}, 403),
        ("prefect:4200", {"Sec-Fetch-Site": "same-origin"}, 403),
        ("prefect:4200", {"Sec-Fetch-Site": "none", "Sec-Fetch-Dest": "document"}, 403),
    ],
)
async def test_a_private_networks_name_for_it_is_for_programs(
    monkeypatch: pytest.MonkeyPatch, host: str, headers: dict[str, str], status: int
) -> None:
    monkeypatch.setenv(HOSTS, "prefect")
    guarded = GuardedCors(PlainTextResponse("answered"), allow_origins=[f"http://{OURS}"])
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(guarded), base_url=f"http://{OURS}"
    ) as client:
        assert (
            status
            == (await client.get("/api/health", headers={"Host": host} | headers)).status_code
        )


@pytest.mark.parametrize(("url", "status"), [(f"http://{IN_MEMORY}", 200), (f"http://{OURS}", 403)])
async def test_the_name_of_the_actions_of_automations_counts_from_within_only(
    url: str, status: int
) -> None:
    guarded = GuardedCors(PlainTextResponse("answered"), allow_origins=[f"http://{OURS}"])
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(guarded), base_url=url, headers={"Host": IN_MEMORY}
    ) as client:
        assert status == (await client.get("/api/block_documents/1")).status_code


def test_prefects_cors_is_what_is_guarded() -> None:
    assert issubclass(GuardedCors, LoopbackOnly)


@pytest.mark.parametrize(
    ("host", "destination", "location"),
    [
        ("localhost:4200", "document", "http://127.0.0.1:4200/runs?page=2"),
        ("localhost", "document", "http://127.0.0.1/runs?page=2"),
        ("localhost:4200", "empty", None),
        ("localhost:4200", None, None),
        (OURS, "document", None),
    ],
)
async def test_a_page_opened_at_localhost_is_opened_where_its_api_is(
    host: str, destination: str | None, location: str | None
) -> None:
    guarded = LoopbackOnly(PlainTextResponse("answered"))
    headers = {"Host": host} | (
        {"Sec-Fetch-Dest": destination, "Sec-Fetch-Site": "none"} if destination else {}
    )
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(guarded), base_url=f"http://{OURS}"
    ) as client:
        answer = await client.get("/runs?page=2", headers=headers)

    assert location == answer.headers.get("location")
    assert (307 if location else 200) == answer.status_code


async def test_a_server_starts_and_stops_behind_it() -> None:
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["type"])

    async def receive() -> Message:
        return {"type": "lifespan.startup"}

    async def send(_: Message) -> None:
        pass

    await LoopbackOnly(app)({"type": "lifespan", "asgi": {"version": "3.0"}}, receive, send)

    assert ["lifespan"] == seen
