"""What holds for every route of ours, so that who knows one knows all; a new route that breaks a
rule fails here.

Compatible routes keep to the letter of other systems: what they share is the last part.
"""

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from litestar.routes import HTTPRoute

from api.http.lists import ListPage
from api.http.parameters import VALUES_MAX
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.services import open_bus
from blocks.settings import load_settings
from blocks.topology import batch_jobs_queue
from tests.support.api.api_client import Api, an_api
from tests.support.api.approval_links import SECRET
from tests.support.api.every_route import Route, a_record, every_route
from tests.support.factories import (
    A_TENANT,
    ANOTHER_TENANT,
    an_approval_asked_back,
    an_execution,
    new_id,
)

ROUTES = [route for route in every_route() if not route.is_public]
OURS = [route for route in ROUTES if not route.is_compatible]
PUBLIC = [route for route in every_route() if route.is_public and route.method == "GET"]
COMPATIBLE = [route for route in ROUTES if route.is_compatible]

STREAM = "GET /executions/stream"
DOCUMENTS = ("GET /dispatch", "GET /usage", STREAM)
"""Reads that name no record and are no lists."""
WITHOUT_ORDER = ("GET /jobs", "GET /hitl/approvals/{approvalId}/history")
"""In the order of their table, and of their events."""
LISTS = [
    route
    for route in OURS
    if route.method == "GET" and not route.path.endswith("}") and route.name not in DOCUMENTS
]

CREATIONS = (
    "POST /executions",
    "POST /executions/{executionId}/rerun",
    "POST /jobs/{job}/trigger",
    "POST /keys",
    "POST /webhooks",
    "POST /hitl/approvals",
    "POST /hitl/stand-ins",
)
A_LINK = "POST /hitl/approvals/{approvalId}/links"
"""Its address is a credential, which no header should hold."""
AN_ANSWER = "POST /hitl/approvals/{approvalId}/answer"
"""About an approval with an open question."""
OF_MANY = ("POST /dead-letters/replay", "POST /hitl/approvals/decisions")
"""They name no record in their path."""
CHANGES = [
    route
    for route in OURS
    if route.method != "GET" and route.name not in (*CREATIONS, A_LINK, *OF_MANY)
]


@pytest.fixture(scope="module")
async def api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    folder = tmp_path_factory.mktemp("one-way")
    settings = load_settings({"ORCHESTRATOR_DATA_DIR": str(folder)})
    async with (
        open_bus(settings, "test") as bus,
        an_api(folder, APPROVAL_LINK_SECRET=SECRET, AUTH_FAILURES_PER_MINUTE="100000") as api,
    ):
        await bus.declare(batch_jobs_queue(settings))
        yield api


@pytest.fixture(scope="module")
def operations(api: Api) -> Mapping[str, Any]:
    """Of the document, by the routes' names."""
    document = api.app.openapi_schema.to_schema()
    return {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


# --- lists ----------------------------------------------------------------------------------------


def test_every_list_has_the_one_envelope(api: Api) -> None:
    returned = {
        route.path: handler.parsed_return_field.annotation
        for route in api.app.routes
        if isinstance(route, HTTPRoute)
        for method, (handler, _) in route.route_handler_map.items()
        if method == "GET"
    }

    assert LISTS
    for route in LISTS:
        kind = next(kind for path, kind in returned.items() if _plain(path) == route.path)
        assert issubclass(kind, ListPage), route.name
        own = set(kind.__struct_fields__) - set(ListPage.__struct_fields__)
        assert own <= {"counts"}, route.name


def test_every_list_has_the_same_parameters_for_pages_and_order(
    operations: Mapping[str, Any],
) -> None:
    limit, continuation, order = (
        _parameters(operations, "GET /api/v1/executions")[name]["schema"]
        for name in ("limit", "continuation", "order")
    )
    for route in LISTS:
        parameters = _parameters(operations, f"GET {route.path}")
        assert limit == parameters["limit"]["schema"], route.name
        assert continuation == parameters["continuation"]["schema"], route.name
        if route.name not in WITHOUT_ORDER:
            assert order["enum"] == parameters["order"]["schema"]["enum"], route.name


async def test_the_pages_of_every_list_together_are_the_list(api: Api) -> None:
    for route in LISTS:
        path = await _path(api, route)
        whole = (await api.get(path)).json()["items"]
        pages, continuation = [], None
        while True:
            behind = f"&continuation={continuation}" if continuation else ""
            page = (await api.get(f"{path}?limit=1{behind}")).json()
            pages += page["items"]
            if (continuation := page.get("continuation")) is None:
                break

        assert whole == pages, route.name
        assert page.get("total") in (None, len(whole)), route.name
        refused = await api.get(path, continuation="nonsense")
        assert [("continuation", "query")] == _problems(refused), route.name


async def test_a_filter_that_is_repeated_leaves_what_has_any_of_its_values(tmp_path: Any) -> None:
    async with an_api(tmp_path) as api:
        wanted = [an_execution(status=status) for status in ("failed", "cancelled")]
        await api.holds(*wanted, an_execution(status="completed"), an_execution())

        listed = await api.get("/api/v1/executions?status=failed&status=cancelled&order=oldest")

    assert [one.id for one in wanted] == [one["id"] for one in listed.json()["items"]]


async def test_a_filter_takes_so_many_values_and_no_empty_one(api: Api) -> None:
    many = "&".join(f"subject=s-{number}" for number in range(VALUES_MAX))

    assert 200 == (await api.get(f"/api/v1/executions?{many}")).status_code
    for query in (f"{many}&subject=one-more", "subject=", "status=failed&status=done"):
        refused = await api.get(f"/api/v1/executions?{query}")
        assert [(query.partition("=")[0], "query")] == _problems(refused), query


@pytest.mark.parametrize(
    ("stated", "found"),
    [
        ("2026-03-02", True),
        ("2026-03-03", False),
        ("2026-03-02T12:00:00Z", True),
        ("2026-03-02T12:00:00.000001Z", False),
        ("2026-03-02T14:00:00%2B02:00", True),
        ("2026-03-02T14:00:00+02:00", True),  # a form: the `+` is a space
        ("2026-03-02T13:00:01+01:00", False),
        ("2026-03-02T07:00:00-05:00", True),
        ("2026-03-02T12:00:00", True),
    ],
)
async def test_a_moment_is_rfc_3339_or_a_date_on_every_list(
    api: Api, operations: Mapping[str, Any], stated: str, found: bool
) -> None:
    subject = new_id()
    at_noon = an_execution(subject=subject, created_at=datetime(2026, 3, 2, 12, tzinfo=UTC))
    await api.holds(at_noon)

    listed = await api.get(f"/api/v1/executions?subject={subject}&createdAfter={stated}")

    assert ([at_noon.id] if found else []) == [one["id"] for one in listed.json()["items"]]
    for route in LISTS:
        for name in ("createdAfter", "createdBefore"):
            if name in _parameters(operations, f"GET {route.path}"):
                answer = await api.get(f"{await _path(api, route)}?{name}={stated}")
                assert 200 == answer.status_code, route.name


@pytest.mark.parametrize(
    "stated", ["1772452800", "1e9", "yesterday", "null", "12:00", "2026-02-30"]
)
async def test_anything_else_is_no_moment_and_is_shown_one(api: Api, stated: str) -> None:
    refused = await api.get(f"/api/v1/executions?createdAfter={stated}")

    assert [("createdAfter", "query")] == _problems(refused)
    assert "%2B01:00" in refused.text


# --- parameters -----------------------------------------------------------------------------------


async def test_a_parameter_that_no_route_has_is_refused_by_name(api: Api) -> None:
    for route in OURS:
        refused = await _ask(api, route, "misspelt=1&other=2")

        assert [("misspelt", "query"), ("other", "query")] == _problems(refused), route.name


async def test_a_parameter_with_one_value_is_refused_by_name_when_it_is_repeated(
    api: Api, operations: Mapping[str, Any]
) -> None:
    for route in OURS:
        for name, parameter in _parameters(operations, f"{route.method} {route.path}").items():
            if parameter["in"] == "query" and parameter["schema"]["type"] != "array":
                refused = await _ask(api, route, f"{name}=1&{name}=2")
                assert (name, "query") in _problems(refused), (route.name, name)


async def test_compatible_and_public_routes_ignore_what_they_do_not_know(api: Api) -> None:
    for route in (*COMPATIBLE, *PUBLIC):
        answer = await _ask(api, route, "misspelt=1")

        assert "misspelt" not in answer.text, route.name


@pytest.mark.parametrize(
    "path", ["/ready?deep=null", "/api/v1/evidence/prompts/claim-1?status=null&status=null"]
)
async def test_the_word_null_is_no_choice_on_any_route(api: Api, path: str) -> None:
    refused = await api.get(path)

    assert 400 == refused.status_code
    assert "null is no value here" in refused.text


# --- changes --------------------------------------------------------------------------------------


def test_every_change_can_require_what_it_changes(operations: Mapping[str, Any]) -> None:
    assert CHANGES
    for route in CHANGES:
        operation = operations[f"{route.method} {route.path}"]
        assert "If-Match" in _parameters(operations, f"{route.method} {route.path}"), route.name
        assert "412" in operation["responses"], route.name


async def test_every_change_is_refused_when_something_else_is_there(api: Api) -> None:
    for route in CHANGES:
        refused = await _ask(api, route, **{"If-Match": '"999999"', "X-User-ID": "ann"})

        assert (412, "PRECONDITION_FAILED") == _outcome(refused), route.name
        malformed = await _ask(api, route, **{"If-Match": '"half', "X-User-ID": "ann"})
        assert [("If-Match", "header")] == _problems(malformed), route.name


async def test_every_change_is_made_when_what_was_read_is_there(api: Api) -> None:
    for route in CHANGES:
        path = await _path(api, route)
        parent = path if route.method in ("PUT", "PATCH", "DELETE") else path.rpartition("/")[0]
        read = "/api/v1/dispatch" if "/dispatch/" in path else parent
        tenant_id = _tenant_of(route)
        etag = (await api.get(read, tenant_id)).headers["etag"]

        answer = await api.client.request(
            route.method,
            path,
            json=route.body,
            headers={"X-Tenant-ID": tenant_id, "If-Match": etag, "X-User-ID": "ann"},
        )

        assert 412 != answer.status_code, route.name


async def test_every_deletion_is_204(api: Api) -> None:
    deletions = [route for route in OURS if route.method == "DELETE"]
    assert deletions
    for route in deletions:
        answer = await _ask(api, route, **{"X-User-ID": "ann"})

        assert (204, b"") == (answer.status_code, answer.content), route.name


async def test_every_creation_says_where_it_is(api: Api) -> None:
    routes = {route.name: route for route in OURS}
    for name in CREATIONS:
        record = {"status": "failed"} if name.endswith("/rerun") else {}
        route = routes[name]
        tenant_id = SYSTEM_TENANT if "/jobs/" in name else A_TENANT
        made = await _ask(api, route, tenant_id=tenant_id, **{"X-User-ID": "ann"}, **record)
        assert made.status_code in (201, 202), (name, made.text)

        found = await api.get(made.headers["location"], tenant_id)

        assert 200 == found.status_code, name


def test_whatever_is_answered_201_is_a_creation(operations: Mapping[str, Any]) -> None:
    created = {
        route.name
        for route in OURS
        if "201" in operations[f"{route.method} {route.path}"]["responses"]
    }

    assert created <= {*CREATIONS, A_LINK}


# --- reads ----------------------------------------------------------------------------------------


async def test_every_read_has_an_etag_and_is_304_to_who_knows_it(api: Api) -> None:
    reads = [route for route in OURS if route.method == "GET" and route.name != STREAM]
    for route in reads:
        path, tenant_id = await _path(api, route), _tenant_of(route)
        etag = (await api.get(path, tenant_id)).headers["etag"]
        if route.name == "GET /usage":
            continue  # it names the moment
        for known in (etag, f'"other", W/{etag}', "*"):
            again = await api.client.get(
                path, headers={"X-Tenant-ID": tenant_id, "If-None-Match": known}
            )
            assert (304, b"", etag) == (again.status_code, again.content, again.headers["etag"]), (
                route.name
            )
            assert "no-store" == again.headers["cache-control"]
        other = await api.client.get(
            path, headers={"X-Tenant-ID": tenant_id, "If-None-Match": '"other"'}
        )
        assert 200 == other.status_code, route.name


# --- errors, on every route -----------------------------------------------------------------------


async def test_a_tenant_that_is_none_is_400_and_one_of_others_403(api: Api) -> None:
    for route in ROUTES:
        mine = await api.get("/api/v1/usage")
        credential = {"Authorization": mine.request.headers["Authorization"]}
        malformed = await _ask(api, route, tenant_id="no uuid", **credential)
        others = await _ask(api, route, tenant_id=ANOTHER_TENANT, **credential)

        # As the older service has it on its own routes.
        expected = (403, 401) if route.is_compatible else (400, 403)
        assert expected == (malformed.status_code, others.status_code), route.name


async def test_every_401_names_the_scheme(api: Api) -> None:
    for route in ROUTES:
        for headers in ({"Authorization": "Basic eDp5"}, {"Authorization": "Bearer nonsense"}):
            refused = await _ask(api, route, **headers)
            assert (401, "Bearer") == (
                refused.status_code,
                refused.headers["www-authenticate"],
            ), route.name


@pytest.mark.parametrize(
    "accept",
    [
        "application/problem+json",
        "application/json, application/problem+json",
        "application/json;q=0.9,Application/Problem+JSON;q=0.5",
    ],
)
async def test_every_error_is_problem_details_to_who_names_them(api: Api, accept: str) -> None:
    for route in ROUTES:
        refused = await _ask(api, route, Authorization="Bearer nonsense", Accept=accept)

        assert "application/problem+json" == refused.headers["content-type"], route.name
        assert {
            "type": "about:blank",
            "title": "Unauthorized",
            "status": 401,
            "detail": "The credential is not valid",
            "code": "UNAUTHORIZED",
            "requestId": refused.headers["x-request-id"],
        } == refused.json(), route.name


@pytest.mark.parametrize(
    "accept", ["*/*", "application/*", "application/json", "application/problem+json;q=0"]
)
async def test_to_everyone_else_an_error_is_the_envelope(api: Api, accept: str) -> None:
    refused = await api.client.get("/nope", headers={"Accept": accept})

    assert ("application/json", "NOT_FOUND") == (
        refused.headers["content-type"],
        refused.json()["error"]["code"],
    )


async def test_everything_that_is_wrong_is_said_at_once_with_its_place(api: Api) -> None:
    body = {
        "subject": "",
        "expiresAt": 1772452800,
        "policy": {"quorum": "two", "approvers": {"users": [1, "ann", None]}},
        "escalations": [{"at": "soon"}],
        "context": {"a/b": {"~": 1}},
    }

    refused = await api.send("POST", "/api/v1/hitl/approvals", body)

    details = refused.json()["error"]["details"]
    assert {
        "/subject",
        "/expiresAt",
        "/policy/quorum",
        "/policy/approvers/users/0",
        "/policy/approvers/users/2",
        "/escalations/0/at",
    } <= {problem["pointer"] for problem in details}
    assert {"body"} == {problem["source"] for problem in details}


async def test_a_wrong_body_and_a_wrong_parameter_are_said_together(api: Api) -> None:
    refused = await api.send("POST", "/api/v1/claims/sync-1/cancel?userId=", {"reason": 7})

    assert {("userId", "query"), ("reason", "body")} == set(_problems(refused))


async def test_only_what_is_wrong_is_said_though_the_document_was_written(
    api: Api, operations: Mapping[str, Any]
) -> None:
    long_id = await api.get(f"/api/v1/evidence/proof-packets/{'x' * 201}/status")
    assert [("claimId", "path")] == _problems(long_id)

    path = f"/api/v1/hitl/approvals/{new_id()}/delegate"

    refused = await api.client.post(
        path,
        json={"reason": 7},
        headers={"X-Tenant-ID": A_TENANT, "Accept": "application/problem+json"},
    )

    assert [
        {
            "field": "reason",
            "message": "Expected str | null, got int",
            "source": "body",
            "pointer": "/reason",
        },
        {"field": "to", "message": "is required", "source": "body", "pointer": "/to"},
    ] == sorted(refused.json()["errors"], key=lambda problem: problem.get("field", ""))


# --- helpers --------------------------------------------------------------------------------------


async def _ask(
    api: Api, route: Route, query: str = "", tenant_id: str | None = None, **headers: str
) -> httpx.Response:
    """A good request to this route, about a record that is there, but for what is stated."""
    status = headers.pop("status", None)
    if status is not None:
        record = an_execution(status=status)
        await api.holds(record)
        path = route.with_id(record.id)
    else:
        path = await _path(api, route)
    joint = "&" if "?" in path else "?"
    stated = {"X-Tenant-ID": tenant_id or _tenant_of(route), **route.headers, **headers}
    return await api.client.request(
        route.method, f"{path}{joint}{query}" if query else path, json=route.body, headers=stated
    )


async def _path(api: Api, route: Route) -> str:
    if route.name == AN_ANSWER:
        await api.holds(asked := an_approval_asked_back())
        return route.with_id(asked.id)
    record = await a_record(api.store, route.record, A_TENANT) if route.record else None
    return route.with_id(record.id if record else new_id())


def _tenant_of(route: Route) -> str:
    is_of_the_platform = "/dispatch" in route.path or not route.path.startswith(
        ("/api/v1", "/hitl", "/api/hitl")
    )
    return SYSTEM_TENANT if is_of_the_platform else A_TENANT


def _parameters(operations: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {one["name"]: one for one in operations[name].get("parameters", [])}


def _problems(answer: httpx.Response) -> list[tuple[str, str]]:
    assert 400 == answer.status_code, answer.text
    return [(one["field"], one["source"]) for one in answer.json()["error"]["details"]]


def _outcome(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def _plain(path: str) -> str:
    return path.replace(":str}", "}")
