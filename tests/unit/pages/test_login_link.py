"""A login link: one session, within minutes, for whoever presses its button first."""

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from blocks.clock import utc_now
from blocks.contracts.records import ApiKeyRecord
from blocks.contracts.records.audit import AuditEntry
from blocks.ports import Query
from blocks.security import api_keys, login_links
from tests.support.api.api_client import Api, an_api
from tests.support.api.credentials import as_user
from tests.support.factories import A_TENANT
from tests.support.pages.visitor import Visitor, a_visitor


@pytest.fixture
async def api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    async with an_api(tmp_path_factory.mktemp("api"), AUTH_FAILURES_PER_MINUTE="3") as api:
        yield api


@pytest.fixture
async def visitor(api: Api) -> AsyncIterator[Visitor]:
    async with a_visitor(api.app) as visitor:
        yield visitor


@pytest.fixture
async def token(api: Api) -> str:
    return (await login_links.create_link(api.store, A_TENANT, ["approver"]))[0]


async def keys(api: Api) -> list[ApiKeyRecord]:
    return await api_keys.keys_of(api.store, A_TENANT)


async def test_its_button_begins_a_session_with_its_roles(visitor: Visitor, token: str) -> None:
    shown = await visitor.open(f"/login/{token}")
    assert "approver" in shown.text

    assert (await visitor.send(f"/login/{token}")).path == "/"
    assert "Roles approver" in (await visitor.open("/inbox")).text


async def test_opening_it_uses_nothing_up(api: Api, visitor: Visitor, token: str) -> None:
    for _ in range(3):
        await visitor.open(f"/login/{token}")

    assert [None] == [key.revoked_at for key in await keys(api)]
    assert (await visitor.send(f"/login/{token}")).path == "/"


async def test_signing_out_ends_its_session_for_a_copied_cookie_too(
    api: Api, visitor: Visitor, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.access.key_holders.BELIEVED_SECONDS", 0.0)
    await visitor.open(f"/login/{token}")
    await visitor.send(f"/login/{token}")
    copied = dict(visitor.client.cookies)

    await visitor.send("/logout")

    visitor.client.cookies.update(copied)
    assert (await visitor.open("/inbox")).path == "/login?next=/inbox"
    assert all(key.revoked_at for key in await keys(api))


async def test_it_works_once(api: Api, visitor: Visitor, token: str) -> None:
    await visitor.open(f"/login/{token}")
    await visitor.send(f"/login/{token}")
    async with a_visitor(api.app) as another:
        shown = await another.open(f"/login/{token}")

        assert (shown.status, "has been used" in shown.text) == (401, True)
        assert "/login" in shown.forms
        assert f"/login/{token}" not in shown.forms


async def test_of_two_at_once_one_is_signed_in(api: Api, token: str) -> None:
    async with a_visitor(api.app) as one, a_visitor(api.app) as another:
        for visitor in (one, another):
            await visitor.open(f"/login/{token}")

        answers = await asyncio.gather(
            *(visitor.send(f"/login/{token}") for visitor in (one, another))
        )

    assert [200, 401] == sorted(shown.status for shown in answers)
    assert 1 == sum(key.is_live(utc_now()) for key in await keys(api))


async def test_its_time_is_minutes(
    visitor: Visitor, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await visitor.open(f"/login/{token}")
    later = utc_now() + login_links.LIVES
    monkeypatch.setattr("blocks.security.api_keys.utc_now", lambda: later)

    shown = await visitor.send(f"/login/{token}")

    assert (shown.status, "its time is over" in shown.text) == (401, True)


async def test_a_revoked_one_opens_nothing(api: Api, visitor: Visitor, token: str) -> None:
    [record] = await keys(api)
    await api_keys.revoke_key(api.store, A_TENANT, record.prefix)

    assert (await visitor.open(f"/login/{token}")).status == 401


async def test_it_is_no_key(api: Api, token: str) -> None:
    answer = await api.client.get("/api/v1/executions", headers=as_user(token))

    assert answer.status_code == 401


async def test_a_key_is_no_login_link(api: Api, visitor: Visitor) -> None:
    key, _ = await api_keys.create_key(
        api.store, A_TENANT, "tests", ["viewer"], lives=timedelta(days=1)
    )

    assert (await visitor.open(f"/login/{key}")).status == 401


async def test_guesses_are_counted(visitor: Visitor) -> None:
    statuses = [(await visitor.open(f"/login/guess-{n}")).status for n in range(4)]

    assert statuses == [401, 401, 401, 429]


async def test_the_sessions_key_ends_with_the_session(
    api: Api, visitor: Visitor, token: str
) -> None:
    await visitor.open(f"/login/{token}")
    await visitor.send(f"/login/{token}")

    link, key = sorted(await keys(api), key=lambda one: not one.is_login_link)
    assert (link.name, link.roles) == (key.name, key.roles)
    assert timedelta(hours=12) == key.expires_at - key.created_at


async def test_its_use_is_on_the_audit_log(api: Api, visitor: Visitor, token: str) -> None:
    await visitor.open(f"/login/{token}")
    await visitor.send(f"/login/{token}")

    entries = (await api.store.query(A_TENANT, Query(AuditEntry, {}))).items
    [entry] = [one.record for one in entries]
    assert ("key.create", "done", "link", "page") == (
        entry.action,
        entry.result,
        entry.credential,
        entry.channel,
    )
    assert {key.id for key in await keys(api)} == set(entry.targets)
    assert token not in str(entry)


async def test_no_log_shows_it(
    visitor: Visitor, token: str, caplog: pytest.LogCaptureFixture
) -> None:
    secret = token.rpartition("_")[2]
    with caplog.at_level(logging.DEBUG):
        await visitor.open(f"/login/{token}")
        await visitor.send(f"/login/{token}")
        await visitor.open(f"/login/{token}")

    assert "/login/{token" in caplog.text
    ours = [record for record in caplog.records if not record.name.startswith("httpx")]
    assert [] == [record for record in ours if secret[:20] in record.getMessage()]
