"""The one-time login link of `orchestrator up`: it signs in one browser, once, within an hour."""

import stat
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from api.access.tenancy import HEADER
from blocks.clock import utc_now
from blocks.security.login_links import FILE, issue_login, redeem_login
from blocks.settings import load_settings
from deployments.local.development_key import DEMO_TENANT, login_token
from tests.support.api.api_client import Api, an_api
from tests.support.api.credentials import ENVIRONMENT
from tests.support.factories import an_approval
from tests.support.pages.visitor import Visitor, a_visitor


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with an_api(tmp_path, AUTH_FAILURES_PER_MINUTE="3") as api:
        yield api


@pytest.fixture
async def visitor(api: Api) -> AsyncIterator[Visitor]:
    async with a_visitor(api.app) as visitor:
        yield visitor


async def link_of(api: Api) -> str:
    settings = load_settings({"ORCHESTRATOR_DATA_DIR": api.folder, **ENVIRONMENT})
    token = await login_token(settings, Path(api.folder))
    assert token
    return f"/login/{token}"


async def test_it_signs_in_a_person_who_may_decide(api: Api, visitor: Visitor) -> None:
    await api.holds(an_approval(tenant_id=DEMO_TENANT))
    link = await link_of(api)
    await visitor.open(link)

    shown = await visitor.send(link)

    assert "/" == shown.path
    assert DEMO_TENANT in shown.text
    assert "Approve ticked" in (await visitor.open("/inbox")).text


async def test_it_is_good_once(api: Api, visitor: Visitor) -> None:
    link = await link_of(api)
    await visitor.open(link)
    await visitor.send(link)

    async with a_visitor(api.app) as another:
        await another.open(link)
        shown = await another.send(link)
        assert 401 == shown.status
        assert "has been used" in shown.text
        assert "/login" == (await another.open("/inbox")).path.partition("?")[0]


async def test_looking_at_it_does_not_use_it_up(api: Api, visitor: Visitor) -> None:
    link = await link_of(api)
    await visitor.client.head(link)
    await visitor.open(link)

    assert "/" == (await visitor.send(link)).path


async def test_wrong_links_are_counted_as_wrong_credentials_are(api: Api, visitor: Visitor) -> None:
    for _ in range(3):
        await visitor.open("/login/wrong")
        await visitor.send("/login/wrong")

    answer = await api.client.get(
        "/api/v1/executions", headers={"Authorization": "Bearer wrong", HEADER: DEMO_TENANT}
    )

    assert 429 == answer.status_code


async def test_a_newer_one_takes_its_place(tmp_path: Path) -> None:
    earlier, newer = issue_login(tmp_path, "a"), issue_login(tmp_path, "b")

    assert redeem_login(tmp_path, earlier) is None
    assert "b" == redeem_login(tmp_path, newer)


async def test_it_is_over_after_an_hour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token = issue_login(tmp_path, "a")
    later = utc_now() + timedelta(hours=1, seconds=1)
    monkeypatch.setattr("blocks.security.login_links.utc_now", lambda: later)

    assert redeem_login(tmp_path, token) is None


async def test_only_its_owner_may_read_the_file(tmp_path: Path) -> None:
    token = issue_login(tmp_path, "a")

    assert 0o600 == stat.S_IMODE((tmp_path / FILE).stat().st_mode)
    assert token not in (tmp_path / FILE).read_text()


async def test_there_is_none_where_keys_are_switched_off(tmp_path: Path) -> None:
    settings = load_settings(
        {"ORCHESTRATOR_DATA_DIR": str(tmp_path), "AUTH_MODE": "jwt", "JWT_SECRET": "s" * 32}
    )

    assert await login_token(settings, tmp_path) is None
