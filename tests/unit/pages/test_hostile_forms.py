"""What holds for every page, whatever a hostile or clumsy person sends it."""

from collections.abc import AsyncIterator, Iterator, Mapping

import httpx
import pytest

from blocks.contracts.records import Record
from blocks.contracts.roles import ROLES
from tests.support.api.api_client import Api, an_api
from tests.support.api.every_route import Route, a_record, every_page
from tests.support.factories import A_TENANT, ANOTHER_TENANT, new_id
from tests.support.pages.forms import FORMS, path_of
from tests.support.pages.visitor import Visitor, signed_in

PAGES = [page for page in every_page() if not page.path.startswith("/assets/")]
SENT = [page for page in PAGES if page.method == "POST"]
READ = [page for page in PAGES if page.method == "GET"]
OWN = [page for page in SENT if not page.is_public]
"""Those that need a session."""

OF_RECORDS = [page for page in PAGES if page.record and "workflowId" not in page.parameters]
"""A workflow's name is no record."""

TOKEN = "_csrf_token"
STRANGE = (
    "",
    "-1",
    "null",
    "1e400",
    "9999-12-31",
    '{"a": {"b": [1e400]}}',
    "1" * 5_000,
    "\x00\r\n\u202e\u200bmoc.live\ufeff",
    "<script>alert(1)</script>\"'{{ 7 * 7 }}",
    "x" * 10_000,
    "🦄" * 300,
)


@pytest.fixture
async def api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    folder = tmp_path_factory.mktemp("api")
    async with an_api(folder, REQUESTS_PER_MINUTE="0", AUTH_FAILURES_PER_MINUTE="1000000") as api:
        yield api


@pytest.fixture
async def visitor(api: Api) -> AsyncIterator[Visitor]:
    async with signed_in(api.app, *ROLES) as visitor:
        yield visitor


def test_every_form_is_known() -> None:
    assert FORMS.keys() == {page.name for page in SENT}


@pytest.mark.parametrize("page", SENT, ids=lambda page: page.name)
async def test_no_field_breaks_a_page(api: Api, visitor: Visitor, page: Route) -> None:
    path = path_of(page, await _id(api, page))
    token = await _token(visitor)

    broken = {}
    # one at a time: a field that is wrong hides those behind it
    for fields in _mishandled(FORMS[page.name]):
        answer = await _send(visitor, path, fields | {TOKEN: token})
        if answer.status_code >= 500 or "<script>alert(1)" in answer.text:
            broken[str(fields)[:300]] = answer.status_code

    assert {} == broken


@pytest.mark.parametrize("page", OWN, ids=lambda page: page.name)
async def test_a_form_needs_the_token_of_its_own_browser(
    api: Api, visitor: Visitor, page: Route
) -> None:
    record = await a_record(api.store, page.record, A_TENANT) if page.record else None
    path = path_of(page, record.id if record else new_id())
    async with signed_in(api.app, *ROLES, user="eve") as eve:
        foreign = await _token(eve)
    await visitor.open("/inbox")
    before = await _kept(api, record)

    for token in ({}, {TOKEN: foreign}, {TOKEN: ""}, {TOKEN: "x" * 128}):
        answer = await _send(visitor, path, {**FORMS[page.name], **token})
        assert (403, True) == (answer.status_code, "load the page again" in answer.text)
    assert before == await _kept(api, record)


@pytest.mark.parametrize("page", OWN, ids=lambda page: page.name)
async def test_a_viewer_changes_nothing(api: Api, page: Route) -> None:
    record = await a_record(api.store, page.record, A_TENANT) if page.record else None
    path = path_of(page, record.id if record else new_id())
    before = await _kept(api, record)

    async with signed_in(api.app, "viewer", user="eve") as eve:
        answer = await _send(eve, path, {**FORMS[page.name], TOKEN: await _token(eve)})

    assert 403 == answer.status_code
    assert before == await _kept(api, record)


@pytest.mark.parametrize("page", OF_RECORDS, ids=lambda page: page.name)
async def test_another_tenants_record_is_not_there(api: Api, visitor: Visitor, page: Route) -> None:
    assert page.record
    foreign = await a_record(api.store, page.record, ANOTHER_TENANT)
    path, before = path_of(page, foreign.id), await _kept(api, foreign)
    fields = {**FORMS.get(page.name, {}), TOKEN: await _token(visitor)}

    answer = (
        await _send(visitor, path, fields)
        if page.method == "POST"
        else await visitor.client.get(path, headers=HTML)
    )

    assert 404 == answer.status_code
    assert before == await _kept(api, foreign)


@pytest.mark.parametrize("page", READ, ids=lambda page: page.name)
async def test_no_address_breaks_a_page(api: Api, visitor: Visitor, page: Route) -> None:
    paths = [
        path_of(page, await _id(api, page)),
        path_of(page, "%00%ff"),
        path_of(page, "x" * 3000),
    ]
    queries = (
        "?utm_source=mail",
        "?continuation=nonsense",
        "?continuation=",
        "?a=1&a=2",
        "?%ff=%00",
    )

    for path in paths:
        shown = [await visitor.client.get(path + query, headers=HTML) for query in ("", *queries)]
        assert max(one.status_code for one in shown) < 500
        # what a mail program adds to an address changes nothing
        assert shown[0].status_code == shown[1].status_code


@pytest.mark.parametrize("page", READ, ids=lambda page: page.name)
async def test_head_is_answered_as_get_without_a_body(
    api: Api, visitor: Visitor, page: Route
) -> None:
    path = path_of(page, await _id(api, page))

    get, head = [
        await visitor.client.request(method, path, headers=HTML) for method in ("GET", "HEAD")
    ]

    assert (get.status_code, b"") == (head.status_code, head.content)


@pytest.mark.parametrize(
    "page", [one for one in PAGES if not one.is_public], ids=lambda one: one.name
)
async def test_an_expired_session_makes_a_part_load_the_page_again(api: Api, page: Route) -> None:
    async with signed_in(api.app, *ROLES) as visitor:
        token = await _token(visitor)
        visitor.client.cookies.delete("orchestrator_session")
        answer = await visitor.client.request(
            page.method,
            path_of(page, new_id()),
            data={**FORMS.get(page.name, {}), TOKEN: token} if page.method == "POST" else None,
            headers={**HTML, "HX-Request": "true"},
        )

    assert (204, "true", "") == (answer.status_code, answer.headers["hx-refresh"], answer.text)


HTML = {"Accept": "text/html"}


def _mishandled(good: Mapping[str, str]) -> Iterator[dict[str, str | list[str]]]:
    """The form with one field left out, twice or strange; and with none, and too many."""
    yield {}
    yield {**good}
    yield {**good, **{f"more{number}": "x" for number in range(600)}}
    for name in good:
        yield {other: value for other, value in good.items() if other != name}
        yield {**good, name: [good[name]] * 200}
        for one in STRANGE:
            yield {**good, name: one}


async def _send(
    visitor: Visitor, path: str, fields: Mapping[str, str | list[str]]
) -> httpx.Response:
    return await visitor.client.post(path, data=dict(fields), headers=HTML, follow_redirects=False)


async def _token(visitor: Visitor) -> str:
    [token, *_] = (await visitor.open("/login")).form("/login")[TOKEN]
    return token


async def _id(api: Api, page: Route) -> str:
    return (await a_record(api.store, page.record, A_TENANT)).id if page.record else new_id()


async def _kept(api: Api, record: Record | None) -> Record | None:
    if record is None:
        return None
    return (await api.store.read(record.tenant_id, type(record), record.id)).record
