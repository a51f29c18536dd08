"""Who may open the WebSocket: decided before it is open, by the rules of HTTP, and answered as
there.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from api.live.filters import Filters
from tests.support.api.api_client import Api, an_api
from tests.support.api.credentials import a_token
from tests.support.api.websockets import Header, open_websocket
from tests.support.factories import A_TENANT, ANOTHER_TENANT

AUTHORIZATION = ("Authorization", f"Bearer {a_token('viewer')}")
TENANT = ("X-Tenant-ID", A_TENANT)
OURS = "workflow-orchestrator.v1"


@pytest.fixture(scope="module")
async def api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    async with an_api(
        tmp_path_factory.mktemp("api"),
        ALLOWED_ORIGINS="https://app.customer.example",
        LIVE_CLIENTS_PER_TENANT="2",
    ) as api:
        yield api


async def test_who_shows_a_credential_and_its_tenant_is_let_in(api: Api) -> None:
    opened = await open_websocket(api.app, AUTHORIZATION, TENANT)

    assert (101, None) == (opened.status, opened.subprotocol)


async def test_a_page_shows_both_in_the_list_of_subprotocols_and_neither_comes_back(
    api: Api,
) -> None:
    stated = [OURS, f"bearer.{a_token('viewer')}", f"tenant.{A_TENANT}"]

    opened = await open_websocket(api.app, subprotocols=stated)

    assert (101, OURS) == (opened.status, opened.subprotocol)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([TENANT], 401),
        ([AUTHORIZATION], 401),
        ([TENANT, ("Authorization", "Bearer x")], 401),
        ([TENANT, ("Authorization", f"Bearer {a_token('viewer', exp=1)}")], 401),
        ([AUTHORIZATION, ("X-Tenant-ID", ANOTHER_TENANT)], 403),
        ([AUTHORIZATION, ("X-Tenant-ID", "acme")], 400),
        ([AUTHORIZATION, TENANT, TENANT], 400),
        ([AUTHORIZATION, AUTHORIZATION, TENANT], 400),
        ([AUTHORIZATION, TENANT, ("Origin", "https://elsewhere.example")], 403),
        ([AUTHORIZATION, TENANT, ("Origin", "null")], 403),
        ([AUTHORIZATION, TENANT, ("Origin", "http://api.test.elsewhere.example")], 403),
        (
            [
                AUTHORIZATION,
                TENANT,
                ("Origin", "http://api.test"),
                ("Origin", "http://elsewhere.example"),
            ],
            403,
        ),
    ],
)
async def test_who_may_not_is_refused_as_over_http(
    api: Api, headers: list[Header], status: int
) -> None:
    opened = await open_websocket(api.app, *headers)

    assert status == opened.status
    assert {"code", "message"} <= opened.body["error"].keys()
    assert opened.headers["x-request-id"]
    assert 0 == len(api.hub._everybody())


@pytest.mark.parametrize(
    "origin", ["http://api.test", "https://api.test", "https://app.customer.example"]
)
async def test_pages_of_this_host_and_of_origins_that_are_named_may_open_it(
    api: Api, origin: str
) -> None:
    assert 101 == (await open_websocket(api.app, AUTHORIZATION, TENANT, ("Origin", origin))).status


@pytest.mark.parametrize(
    ("headers", "subprotocols", "status"),
    [
        ([AUTHORIZATION], [f"tenant.{ANOTHER_TENANT}"], 403),
        ([AUTHORIZATION, TENANT], [f"tenant.{A_TENANT}"], 400),
        ([AUTHORIZATION, TENANT], ["bearer.x"], 400),
        ([TENANT], ["bearer."], 401),
        ([TENANT], ["bearer.\u00e4\u20ac"], 401),
        ([AUTHORIZATION], [f"tenant.{A_TENANT}", f"tenant.{ANOTHER_TENANT}"], 400),
    ],
)
async def test_the_list_of_subprotocols_opens_nothing_that_headers_would_not(
    api: Api, headers: list[Header], subprotocols: list[str], status: int
) -> None:
    assert status == (await open_websocket(api.app, *headers, subprotocols=subprotocols)).status


async def test_a_credential_in_the_address_is_none(api: Api) -> None:
    query = f"access_token={a_token('viewer')}&token={a_token('viewer')}"

    assert 401 == (await open_websocket(api.app, TENANT, query=query)).status


async def test_who_lacks_the_role_is_refused(tmp_path: Path) -> None:
    async with an_api(tmp_path, AUTH_DEFAULT_ROLES="none") as api:
        opened = await open_websocket(api.app, ("Authorization", f"Bearer {a_token()}"), TENANT)

    assert (403, "This needs the role viewer") == (opened.status, opened.body["error"]["message"])


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("types=nothing", "types"),
        ("tpyes=workflow.step.completed", "tpyes"),
        ("lastEventId=nonsense", "lastEventId"),
        ("subject=a&subject=b", "subject"),
        (f"workflow={'x' * 201}", "workflow"),
    ],
)
async def test_a_bad_query_is_named(api: Api, query: str, field: str) -> None:
    opened = await open_websocket(api.app, AUTHORIZATION, TENANT, query=query)

    assert (400, [field]) == (
        opened.status,
        [problem["field"] for problem in opened.body["error"]["details"]],
    )


@pytest.mark.parametrize(
    "path", ["/", "/api/v1/executions", "/api/v1/executions/stream/", "/nope", "/health"]
)
async def test_no_other_address_takes_websockets(api: Api, path: str) -> None:
    opened = await open_websocket(api.app, AUTHORIZATION, TENANT, path=path)

    assert (404, "NOT_FOUND") == (opened.status, opened.body["error"]["code"])


async def test_as_many_clients_of_a_tenant_as_may_are_let_in_and_the_next_gets_a_retry_after(
    api: Api,
) -> None:
    for _ in range(2):
        api.hub.admit(A_TENANT, Filters())

    opened = await open_websocket(api.app, AUTHORIZATION, TENANT)

    assert (429, "TOO_MANY_STREAMS", "5") == (
        opened.status,
        opened.body["error"]["code"],
        opened.headers.get("retry-after"),
    )


async def test_a_server_that_cannot_answer_closes_with_the_status_in_the_code(api: Api) -> None:
    assert 4401 == (await open_websocket(api.app, TENANT, sends_status=False)).close_code
