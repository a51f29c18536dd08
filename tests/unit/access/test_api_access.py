"""Every route, whoever asks: no credential, no role, another tenant's id. The routes are read from
the application.
"""

from collections.abc import AsyncIterator

import httpx
import pytest

from api.access.permissions import ROLE_OF, role_of
from api.live.handshake import PATHS
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.records import ExecutionRecord, Record
from blocks.contracts.roles import ROLES, allows
from blocks.services import open_bus
from blocks.settings import load_settings
from blocks.topology import batch_jobs_queue
from tests.support.api.api_client import Api, an_api
from tests.support.api.credentials import a_token, as_user
from tests.support.api.every_route import Route, a_record, every_route, every_websocket
from tests.support.factories import A_TENANT, ANOTHER_TENANT, new_id

EVERY_ROUTE = every_route()
CLOSED = [route for route in EVERY_ROUTE if not route.is_public]
UNDER_V1 = [route for route in CLOSED if route.path.startswith("/api/v1/")]
FOR_THE_PLATFORM = [route for route in UNDER_V1 if "/dispatch" in route.path]

Named = pytest.mark.parametrize("route", UNDER_V1, ids=lambda route: route.name)


@pytest.fixture(scope="module")
async def api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    folder = tmp_path_factory.mktemp("access")
    settings = load_settings({"ORCHESTRATOR_DATA_DIR": str(folder)})
    async with (
        open_bus(settings, "test") as bus,
        an_api(folder, APPROVAL_LINK_SECRET="x" * 32) as api,
    ):
        await bus.declare(batch_jobs_queue(settings))
        yield api


async def ask(
    api: Api, route: Route, id: str, role: str = "viewer", tenant_id: str = A_TENANT, **headers: str
) -> httpx.Response:
    sent = {**as_user(a_token(role, tenant_id=tenant_id), tenant_id), **route.headers, **headers}
    return await api.client.request(route.method, route.with_id(id), json=route.body, headers=sent)


# --- which routes there are -----------------------------------------------------------------------


def test_these_routes_and_no_others_need_no_credential() -> None:
    links = ["/hitl/links/{token}", "/hitl/links/{token}/page"]

    packets = {"GET /evidence/links/{token}"}

    assert {"GET /health", "GET /ready", "GET /metrics", "GET /openapi.yaml"} | packets | {
        f"{method} {link}" for method in ("GET", "POST") for link in links
    } == {
        route.name
        for route in EVERY_ROUTE
        if route.is_public and not route.path.startswith("/docs")
    }


def test_every_other_route_is_in_the_table_of_roles_and_the_table_has_nothing_else() -> None:
    assert {route.name for route in (*CLOSED, *every_websocket())} == set(ROLE_OF)


def test_no_websocket_is_public_and_each_has_an_address_that_is_let_in() -> None:
    assert [] == [route.name for route in every_websocket() if route.is_public]
    assert list(PATHS) == [route.path for route in every_websocket()]


# --- no credential --------------------------------------------------------------------------------


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Basic YW5uOmFubg==", "Bearer  "])
async def test_no_route_answers_without_a_credential(api: Api, authorization: str | None) -> None:
    headers = {"X-Tenant-ID": A_TENANT} | (
        {} if authorization is None else {"Authorization": authorization}
    )
    answered = []
    async with httpx.AsyncClient(
        transport=api.client._transport, base_url="http://api.test"
    ) as client:
        for route in CLOSED:
            for path in (
                route.with_id(new_id()),
                route.with_id("no-id"),
                f"{route.with_id('x').partition('?')[0]}?limit=x",
            ):
                response = await client.request(route.method, path, content=b"{", headers=headers)
                if (401, "Bearer") != (
                    response.status_code,
                    response.headers.get("www-authenticate"),
                ):
                    answered.append((route.name, path, response.status_code))

    assert [] == answered


# --- roles ----------------------------------------------------------------------------------------


@Named
async def test_who_lacks_the_role_is_refused_alike_whatever_the_id_names(
    api: Api, route: Route
) -> None:
    needed = role_of(route.method, route.path)
    assert needed
    own = await kept(api, route, A_TENANT)
    for role in (role for role in ROLES if not allows({role}, needed)):
        answers = [await ask(api, route, id, role) for id in (own.id, new_id(), "no-id")]

        assert {(403, f"This needs the role {needed}")} == {
            (answer.status_code, message_of(answer)) for answer in answers
        }
    assert own == await read_again(api, own)


@pytest.mark.parametrize("role", ROLES)
async def test_who_has_the_role_is_let_in(api: Api, role: str) -> None:
    refused = []
    for route in UNDER_V1:
        needed = role_of(route.method, route.path)
        if needed and allows({role}, needed):
            tenant_id = SYSTEM_TENANT if route in FOR_THE_PLATFORM else A_TENANT
            answer = await ask(api, route, (await kept(api, route, tenant_id)).id, role, tenant_id)
            if answer.status_code in (401, 403, 404) or answer.status_code >= 500:
                refused.append((route.name, answer.status_code, answer.text))

    assert [] == refused


@pytest.mark.parametrize("route", FOR_THE_PLATFORM, ids=lambda route: route.name)
async def test_what_is_for_the_platform_no_tenants_operator_may(api: Api, route: Route) -> None:
    answer = await ask(api, route, "", "operator")

    assert (403, "Only the platform itself may do this") == (
        answer.status_code,
        answer.json()["error"]["message"],
    )


# --- other tenants' ids ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "route", [route for route in UNDER_V1 if route.record], ids=lambda route: route.name
)
@pytest.mark.parametrize(
    ("mine", "theirs"), [(A_TENANT, ANOTHER_TENANT), (ANOTHER_TENANT, A_TENANT)]
)
async def test_a_foreign_id_is_answered_like_an_unknown_one_and_like_no_id(
    api: Api, route: Route, mine: str, theirs: str
) -> None:
    foreign = await kept(api, route, theirs)
    for role in (
        role for role in ROLES if allows({role}, role_of(route.method, route.path) or "admin")
    ):
        own = await kept(api, route, mine)  # the role before may have deleted its own
        answers = [
            await ask(api, route, id, role, mine)
            for id in (foreign.id, new_id(), "no-id", foreign.id.upper())
        ]

        assert {404} == {answer.status_code for answer in answers}
        assert 1 == len({answer.content for answer in answers})
        assert 1 == len({frozenset(answer.headers.keys()) for answer in answers})
        assert 404 != (await ask(api, route, own.id, role, mine)).status_code
    assert foreign == await read_again(api, foreign)


@Named
@pytest.mark.parametrize(
    ("claimed", "status", "there"),
    [
        (ANOTHER_TENANT, 403, 401),
        (SYSTEM_TENANT, 403, 401),
        ("", 401, 401),
        ("acme", 400, 403),
        ("1" * 32, 400, 403),
    ],
    ids=["another tenant", "the platform", "nothing", "no uuid", "no hyphens"],
)
async def test_the_header_must_name_the_tenant_of_the_credential(
    api: Api, route: Route, claimed: str, status: int, there: int
) -> None:
    """`there`: as the older service has it, on compatible routes."""
    needed = role_of(route.method, route.path) or "admin"
    headers = {"Authorization": f"Bearer {a_token(needed)}", "X-Tenant-ID": claimed}

    answer = await api.client.request(
        route.method, route.with_id(new_id()), json=route.body, headers=headers
    )

    assert (there if route.is_compatible else status) == answer.status_code


# --- helpers --------------------------------------------------------------------------------------


def message_of(answer: httpx.Response) -> str:
    """What the platform's services call is answered in their own form."""
    error = answer.json()["error"]
    return str(error if isinstance(error, str) else error["message"])


async def kept(api: Api, route: Route, tenant_id: str) -> Record:
    """A record of the tenant for the route to be about."""
    return await a_record(api.store, route.record or ExecutionRecord, tenant_id)


async def read_again(api: Api, record: Record) -> Record:
    return (await api.store.read(record.tenant_id, type(record), record.id)).record
