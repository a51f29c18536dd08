"""Bodies, and HEAD: what every route does alike."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.support.api.api_client import Api, an_api
from tests.support.api.every_route import a_record, every_route
from tests.support.factories import A_TENANT, new_id

CHANGING = [
    route
    for route in every_route()
    if route.method in ("POST", "PUT", "PATCH") and "/page" not in route.path
]
READING = [route for route in every_route() if route.method == "GET"]
PATH = "/api/v1/executions"


@pytest.fixture(scope="module")
async def api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    async with an_api(tmp_path_factory.mktemp("api"), APPROVAL_LINK_SECRET="x" * 32) as api:
        yield api


async def post(api: Api, content: bytes, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await api.client.post(PATH, content=content, headers={"X-Tenant-ID": A_TENANT, **named})


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 1_000 + b"]" * 1_000,
        b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
        b'{"data":' + b"[" * 150 + b"]" * 150 + b"}",
        b'{"subject":"\xff"}',
        b'{"subject":"\\ud800"}',
        b'{"data":{"a":1e400}}',
        b'{"data":{"a":' + b"9" * 5_000 + b"}}",
        b'{"data":{"a":NaN}}',
        b"\xef\xbb\xbf{}",
        '{"subject":"a"}'.encode("utf-16"),
        b'{"subject":',
        b"\x00",
    ],
)
async def test_json_that_is_none_or_nested_without_end_is_an_invalid_request(
    api: Api, content: bytes
) -> None:
    answer = await post(api, content, Content_Type="application/json")

    assert (400, "VALIDATION_ERROR") == (answer.status_code, answer.json()["error"]["code"])


@pytest.mark.parametrize(
    "headers",
    [
        {"Content_Type": "text/plain"},
        {"Content_Type": "application/xml"},
        {"Content_Type": "application/x-www-form-urlencoded"},
        {"Content_Type": "application/json; charset=utf-16"},
        {"Content_Type": "application/jsonx"},
        {"Content_Type": "application/json", "Content_Encoding": "gzip"},
    ],
)
async def test_a_body_in_another_format_is_415(api: Api, headers: dict[str, str]) -> None:
    answer = await post(api, b'{"workflow":"opportunity-analysis","subject":"s"}', **headers)

    assert (415, "UNSUPPORTED_MEDIA_TYPE") == (answer.status_code, answer.json()["error"]["code"])


@pytest.mark.parametrize(
    "kind", [None, "application/json", "Application/JSON; charset=UTF-8", "application/a+json"]
)
async def test_a_body_of_json_is_read_and_one_without_a_type_is_taken_for_it(
    api: Api, kind: str | None
) -> None:
    headers = {"Content_Type": kind} if kind else {}
    answer = await post(api, b'{"workflow":"opportunity-analysis","subject":"s"}', **headers)

    assert answer.status_code in (201, 202)


async def test_no_route_fails_at_a_body_nested_without_end(api: Api) -> None:
    for route in CHANGING:
        headers = {"X-Tenant-ID": A_TENANT, **route.headers}
        path = route.with_id(new_id())
        answer = await api.client.request(
            route.method, path, content=b'{"a":' * 5_000, headers=headers
        )

        assert answer.status_code < 500 or answer.status_code == 501, route.name


async def test_head_answers_as_get_does_without_a_body_on_every_route(api: Api) -> None:
    for route in READING:
        record = await a_record(api.store, route.record, A_TENANT) if route.record else None
        path = route.with_id(record.id if record else new_id())
        headers = {"X-Tenant-ID": A_TENANT, "X-Request-ID": "one"}

        expected = await api.client.get(path, headers=headers)
        answer = await api.client.head(path, headers=headers)

        assert (expected.status_code, b"") == (answer.status_code, answer.content), route.name
        changing = ("etag",) if route.name == "GET /usage" else ()  # it names the moment
        assert _stable(expected, *changing) == _stable(answer, *changing), route.name


def _stable(answer: httpx.Response, *also: str) -> dict[str, str]:
    """Headers but those that count down, and the length of what changes from one moment to the
    next.
    """
    changing = ("ratelimit", "content-length", *also)
    return {name: value for name, value in answer.headers.items() if not name.startswith(changing)}
