"""Who may look at pages: a session shows the API a credential, and nothing else does."""

from base64 import b64encode
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from litestar.middleware.session.client_side import AAD

from api.access.sessions import COOKIE
from blocks.clock import utc_now
from blocks.security.api_keys import create_key, revoke_key
from tests.support.api.api_client import Api, an_api
from tests.support.api.credentials import a_token
from tests.support.factories import A_TENANT
from tests.support.pages.visitor import Visitor, a_visitor, signed_in


@pytest.fixture
async def api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    async with an_api(tmp_path_factory.mktemp("api"), AUTH_FAILURES_PER_MINUTE="3") as api:
        yield api


@pytest.fixture
async def visitor(api: Api) -> AsyncIterator[Visitor]:
    async with a_visitor(api.app) as visitor:
        yield visitor


async def test_a_page_leads_to_the_login_and_back(visitor: Visitor) -> None:
    shown = await visitor.open("/inbox?kind=prompts")

    assert shown.path == "/login?next=/inbox%3Fkind%3Dprompts"
    assert (await visitor.send("/login", credential=a_token("viewer"))).path == (
        "/inbox?kind=prompts"
    )


@pytest.mark.parametrize(
    "elsewhere", ["//evil.example", "https://evil.example", "/\\evil.example", "/a\r\nb", "evil"]
)
async def test_a_login_leads_to_no_other_site(visitor: Visitor, elsewhere: str) -> None:
    await visitor.open("/login")

    shown = await visitor.send("/login", credential=a_token("viewer"), next=elsewhere)

    assert shown.response.request.url == "http://api.test/"


async def test_a_form_without_the_pages_token_is_refused(api: Api) -> None:
    async with signed_in(api.app, "approver") as visitor:
        await visitor.open("/inbox")

        response = await visitor.client.post("/logout", headers={"Accept": "text/html"})

        assert response.status_code == 403
        assert "load the page again" in response.text
        assert (await visitor.open("/inbox")).status == 200


async def test_a_wrong_credential_is_counted_as_the_apis_are(visitor: Visitor) -> None:
    await visitor.open("/login")

    statuses = [(await visitor.send("/login", credential=f"wrong-{n}")).status for n in range(4)]

    assert statuses == [401, 401, 401, 429]


async def test_a_revoked_key_ends_the_session(
    api: Api, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.access.key_holders.BELIEVED_SECONDS", 0.0)
    key, record = await create_key(api.store, A_TENANT, "tests", ["viewer"], lives=LIVES)
    assert (await visitor.sign_in(key, "/inbox")).path == "/inbox"

    await revoke_key(api.store, A_TENANT, record.prefix)

    assert (await visitor.open("/inbox")).path == "/login?next=/inbox"


async def test_a_session_ends_after_its_hours(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    async with signed_in(api.app, "viewer") as visitor:
        later = utc_now() + timedelta(hours=12, seconds=1)
        monkeypatch.setattr("api.access.sessions.utc_now", lambda: later)

        assert (await visitor.open("/inbox")).path == "/login?next=/inbox"


async def test_who_signs_out_has_no_session(api: Api) -> None:
    async with signed_in(api.app, "viewer") as visitor:
        await visitor.open("/")

        assert (await visitor.send("/logout")).path == "/login"
        assert (await visitor.open("/inbox")).path == "/login?next=/inbox"


async def test_the_api_does_not_take_a_session(api: Api) -> None:
    async with signed_in(api.app, "viewer") as visitor:
        answer = await visitor.client.get("/api/v1/executions", headers={"X-Tenant-ID": A_TENANT})

        assert answer.status_code == 401


async def test_a_page_does_not_take_a_header(visitor: Visitor) -> None:
    headers = {"Authorization": f"Bearer {a_token('viewer')}", "X-Tenant-ID": A_TENANT}

    answer = await visitor.client.get("/inbox", headers=headers, follow_redirects=False)

    assert answer.headers["location"] == "/login?next=/inbox"


async def test_the_cookie_hides_the_credential(api: Api) -> None:
    token = a_token("viewer")
    async with a_visitor(api.app) as visitor:
        await visitor.open("/login")
        data = visitor.shown.form("/login") | {"credential": token} if visitor.shown else {}
        answer = await visitor.client.post("/login", data=data, follow_redirects=False)

    [cookie] = [one for one in answer.headers.get_list("set-cookie") if one.startswith(COOKIE)]
    assert token not in cookie
    assert {"HttpOnly", "SameSite=lax"} <= {part.strip() for part in cookie.split(";")}


@pytest.mark.parametrize("data", [b"{}", b"{", b"[]", b'{"expires_at":"x"}', b"\xff"])
async def test_a_damaged_cookie_is_no_session(visitor: Visitor, data: bytes) -> None:
    cookie = b64encode(b"x" * 40 + AAD + data).decode()
    visitor.client.cookies.set(COOKIE, cookie, domain="api.test")

    assert (await visitor.open("/inbox")).path == "/login?next=/inbox"


async def test_forms_are_taken_after_the_secret_has_changed(
    api: Api, visitor: Visitor, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("before")
    async with an_api(folder) as before, a_visitor(before.app) as earlier:
        await earlier.open("/login")
        [form] = [one for one in earlier.client.cookies.jar if one.name == FORM_COOKIE]
    visitor.client.cookies.set(FORM_COOKIE, form.value or "", domain="api.test")

    assert (await visitor.sign_in(a_token("viewer"), "/inbox")).path == "/inbox"


FORM_COOKIE = "orchestrator_form"
LIVES = timedelta(days=1)
