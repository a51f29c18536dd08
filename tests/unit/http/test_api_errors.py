"""Every error of the API has one shape, a stable code, and nothing in it that the caller may not
see.
"""

import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from litestar import post
from litestar.params import JSONBody

from api.access.authentication import PUBLIC
from blocks.ports import Throttled, Unavailable
from tests.support.api.api_client import Api, an_api
from tests.support.factories import AN_ID
from tests.support.stores import FailingStore


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with an_api(tmp_path) as api:
        yield api


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("limit=0", {"field": "limit", "message": "Expected int >= 1", "source": "query"}),
        ("limit=101", {"field": "limit", "message": "Expected int <= 100", "source": "query"}),
        ("limit=many", {"field": "limit", "message": "Expected int, got str", "source": "query"}),
        (
            "status=done",
            {"field": "status", "message": "Invalid enum value 'done'", "source": "query"},
        ),
        (
            "subject=",
            {"field": "subject", "message": "Expected str of length >= 1", "source": "query"},
        ),
        (
            "continuation=nonsense",
            {
                "field": "continuation",
                "message": "Not a continuation of this list with these filters",
                "source": "query",
            },
        ),
    ],
)
async def test_an_invalid_parameter_is_named(api: Api, query: str, problem: dict[str, str]) -> None:
    response = await api.get(f"/api/v1/executions?{query}")

    assert 400 == response.status_code
    assert {
        "error": {"code": "VALIDATION_ERROR", "message": "Invalid request", "details": [problem]}
    } == response.json()


async def test_an_invalid_parameter_is_named_as_the_caller_spells_it(api: Api) -> None:
    response = await api.get("/api/v1/workflows?opportunityId=")

    assert ["opportunityId"] == [
        problem["field"] for problem in response.json()["error"]["details"]
    ]


@pytest.mark.parametrize(
    "path", ["/nope", "/api/v1", "/api/v1/nope", "/docs/nope", "/api/v1/executions/a/b"]
)
async def test_an_unknown_route_is_not_found(api: Api, path: str) -> None:
    response = await api.get(path)

    assert 404 == response.status_code
    assert {"error": {"code": "NOT_FOUND", "message": "No such route"}} == response.json()


async def test_an_unknown_method_is_answered_with_those_that_exist(api: Api) -> None:
    response = await api.client.delete("/api/v1/executions")

    assert (405, "METHOD_NOT_ALLOWED") == (response.status_code, response.json()["error"]["code"])
    assert {"GET", "OPTIONS", "POST"} == set(response.headers["allow"].split(", "))


ROUTES = [
    "/api/v1/executions",
    f"/api/v1/executions/{AN_ID}",
    "/api/v1/workflows?opportunityId=opportunity-1",
    f"/api/v1/workflows/{AN_ID}",
    f"/api/v1/hitl/approvals/{AN_ID}",
]


@pytest.mark.parametrize("route", ROUTES)
async def test_without_the_store_the_caller_is_asked_to_come_back(
    tmp_path: Path, route: str
) -> None:
    async with an_api(
        tmp_path, store=FailingStore(Unavailable("cosmos.internal does not answer"))
    ) as api:
        response = await api.get(route)

    assert 503 == response.status_code
    assert {
        "error": {
            "code": "DEPENDENCY_UNAVAILABLE",
            "message": "A part this needs does not answer now; try again",
        }
    } == response.json()
    assert "5" == response.headers["retry-after"]


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(("seconds", "after"), [(0.02, "1"), (2.5, "3")])
async def test_while_the_store_is_asked_too_much_the_caller_gets_a_retry_after(
    tmp_path: Path, route: str, seconds: float, after: str
) -> None:
    async with an_api(
        tmp_path, store=FailingStore(Throttled("cosmos.internal is busy", seconds))
    ) as api:
        response = await api.get(route)

    assert (429, after) == (response.status_code, response.headers["retry-after"])
    assert {
        "error": {
            "code": "THROTTLED",
            "message": "A part this needs is asked for too much; try again later",
        }
    } == response.json()


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("bug", [RuntimeError("secret"), KeyError("secret"), ValueError("secret")])
async def test_an_unexpected_error_is_in_the_log_and_not_in_the_answer(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, route: str, bug: Exception
) -> None:
    async with an_api(tmp_path, store=FailingStore(bug)) as api:
        response = await api.get(route)

    assert 500 == response.status_code
    assert {
        "error": {"code": "INTERNAL_ERROR", "message": "An unexpected error occurred"}
    } == response.json()
    assert "secret" in caplog.text
    assert f"(request {response.headers['x-request-id']})" in caplog.text


@post("/echo", opt=PUBLIC)
async def echo(data: JSONBody[dict[str, Any]]) -> dict[str, Any]:
    return data


@pytest.mark.parametrize(("size", "status"), [(256 * 1024, 201), (256 * 1024 + 1, 413)])
async def test_a_body_over_256_kb_is_refused(api: Api, size: int, status: int) -> None:
    api.app.register(echo)
    body = b'{"text":"' + b"a" * (size - 11) + b'"}'

    response = await api.client.post(
        "/echo", content=body, headers={"content-type": "application/json"}
    )

    assert status == response.status_code
    assert status == 201 or "PAYLOAD_TOO_LARGE" == response.json()["error"]["code"]


async def test_a_body_that_is_not_json_is_refused(api: Api) -> None:
    api.app.register(echo)

    response = await api.client.post(
        "/echo", content=b'{"text": ', headers={"content-type": "application/json"}
    )

    assert (400, "VALIDATION_ERROR") == (response.status_code, response.json()["error"]["code"])


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/api/v1/executions", "GET, OPTIONS, POST"),
        ("/api/v1/dispatch", "GET, OPTIONS, PATCH"),
        ("/api/v1/hitl/approvals/decisions", "OPTIONS, POST"),
    ],
)
async def test_options_names_every_method_of_the_path(api: Api, path: str, methods: str) -> None:
    response = await api.client.options(path, headers={"Idempotency-Key": "none is kept"})

    assert (204, methods) == (response.status_code, response.headers["allow"])


@pytest.mark.parametrize(
    "query", ["status=null", "createdAfter=null", "createdBefore=0.5", "createdBefore=1e9"]
)
async def test_the_word_null_is_no_filter_and_a_number_no_moment(api: Api, query: str) -> None:
    response = await api.get(f"/api/v1/executions?{query}")

    assert (400, query.partition("=")[0]) == (
        response.status_code,
        response.json()["error"]["details"][0]["field"],
    )
    assert 200 == (await api.get("/api/v1/executions?subject=null")).status_code


async def test_an_error_is_json_whatever_the_caller_accepts(api: Api) -> None:
    """Below the API's paths; elsewhere, a person gets a page."""
    response = await api.client.get("/api/v1/nope", headers={"accept": "text/html"})

    assert "application/json" == response.headers["content-type"]


async def test_other_origins_get_no_permission(api: Api) -> None:
    response = await api.client.options(
        "/api/v1/executions",
        headers={"origin": "https://elsewhere.example", "access-control-request-method": "GET"},
    )

    assert not [name for name in response.headers if name.startswith("access-control")]


async def test_what_the_caller_did_wrong_is_no_error_of_ours(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    await api.get("/nope")
    await api.get("/api/v1/executions?limit=0")

    assert [] == [record for record in caplog.records if record.levelno >= logging.WARNING]
