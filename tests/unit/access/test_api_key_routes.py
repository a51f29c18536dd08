"""API keys over HTTP: the rules are those of the command line, and no one makes a key that may do
more than they.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import click
import httpx
import pytest

from api.access import key_holders
from blocks.security.api_keys import LIVES_DAYS_DEFAULT, LIVES_DAYS_MAX
from deployments.cli.commands.keys import create
from tests.support.api.api_client import Api, an_api
from tests.support.api.credentials import a_service_token, a_token, as_user
from tests.support.factories import A_TENANT, ANOTHER_TENANT, an_api_key, now

KEYS = "/api/v1/keys"
ADMIN = a_token("admin")


@pytest.fixture
async def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Api]:
    monkeypatch.setattr(key_holders, "BELIEVED_SECONDS", 0.0)
    async with an_api(tmp_path) as api:
        yield api


async def make(api: Api, credential: str = ADMIN, **wanted: Any) -> httpx.Response:
    body = {"name": "billing", "roles": ["viewer"], **wanted}
    return await api.client.post(KEYS, json=body, headers=as_user(credential))


async def listed(api: Api, tenant_id: str = A_TENANT) -> list[Any]:
    return list((await api.get(KEYS, tenant_id)).json()["items"])


async def test_a_key_that_is_made_opens_what_it_says_until_it_is_revoked(api: Api) -> None:
    made = await make(api, days=30)
    key = made.json()

    assert (201, "billing", "live", ["viewer"]) == (
        made.status_code,
        key["name"],
        key["state"],
        key["roles"],
    )
    assert (
        200 == (await api.client.get("/api/v1/executions", headers=as_user(key["key"]))).status_code
    )
    assert 403 == (await api.client.get(KEYS, headers=as_user(key["key"]))).status_code

    revoked = await api.client.delete(f"{KEYS}/{key['prefix']}", headers=as_user(ADMIN))

    assert (204, b"") == (revoked.status_code, revoked.content)
    shown = await api.client.get(f"{KEYS}/{key['prefix']}", headers=as_user(ADMIN))
    assert "revoked" == shown.json()["state"]
    assert (
        401 == (await api.client.get("/api/v1/executions", headers=as_user(key["key"]))).status_code
    )
    assert (
        204
        == (await api.client.delete(f"{KEYS}/{key['prefix']}", headers=as_user(ADMIN))).status_code
    )


async def test_the_key_is_shown_once_and_kept_nowhere(api: Api) -> None:
    made = await make(api)
    secret = made.json()["key"].split("_", 2)[2]

    assert secret not in (await api.get(KEYS)).text
    assert (
        secret
        not in (
            await api.client.get(f"{KEYS}/{made.json()['prefix']}", headers=as_user(ADMIN))
        ).text
    )
    files = await asyncio.to_thread(
        lambda: [file.read_bytes() for file in Path(api.folder).iterdir()]
    )
    assert files
    assert not any(secret.encode() in content for content in files)


async def test_the_list_holds_the_tenants_keys_whatever_became_of_them(api: Api) -> None:
    await api.holds(
        an_api_key(name="a", expires_at=now() - timedelta(days=1)),
        an_api_key(tenant=ANOTHER_TENANT),
    )
    prefix = (await make(api, name="b")).json()["prefix"]
    await api.client.delete(f"{KEYS}/{prefix}", headers=as_user(ADMIN))
    await make(api, name="c")

    assert [("a", "expired"), ("b", "revoked"), ("c", "live")] == [
        (key["name"], key["state"]) for key in await listed(api)
    ]
    assert 1 == len(await listed(api, ANOTHER_TENANT))


async def test_two_of_a_name_are_live_so_that_one_can_take_over(api: Api) -> None:
    first = (await make(api)).json()["prefix"]
    await make(api)

    refused = await make(api)

    assert (409, "KEY_LIMIT_REACHED") == (refused.status_code, refused.json()["error"]["code"])
    await api.client.delete(f"{KEYS}/{first}", headers=as_user(ADMIN))
    assert 201 == (await make(api)).status_code


@pytest.mark.parametrize(
    ("wanted", "maker"),
    [
        ({"roles": ["approver"]}, a_token("admin")),
        ({"roles": ["viewer", "approver"]}, a_token("admin")),
        ({"acts_for_users": True, "roles": ["viewer"]}, a_token("admin", "approver")),
    ],
)
async def test_a_key_may_do_no_more_than_who_makes_it(
    api: Api, wanted: dict[str, Any], maker: str
) -> None:
    body = {
        "actsForUsers" if name == "acts_for_users" else name: value
        for name, value in wanted.items()
    }

    refused = await make(api, maker, **body)

    assert (403, "A key may do no more than the credential that makes it") == (
        refused.status_code,
        refused.json()["error"]["message"],
    )
    assert [] == await listed(api)


async def test_who_may_decide_or_act_for_users_may_hand_that_on(api: Api) -> None:
    assert 201 == (await make(api, a_token("admin", "approver"), roles=["approver"])).status_code
    acting = await make(
        api, a_service_token("admin", "act-for-users"), name="desk", actsForUsers=True
    )
    assert (201, True) == (acting.status_code, acting.json()["actsForUsers"])


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "two words"}, "name"),
        ({"name": "a" * 101}, "name"),
        ({"name": "billing\n"}, "name"),
        ({"roles": []}, "roles"),
        ({"roles": ["boss"]}, "roles"),
        ({"days": 0}, "days"),
        ({"days": LIVES_DAYS_MAX + 1}, "days"),
        ({"key": "wfo_mine"}, None),
    ],
)
async def test_what_the_command_line_would_refuse_is_refused(
    api: Api, wanted: dict[str, Any], field: str | None
) -> None:
    refused = await make(api, **wanted)

    assert (400, "VALIDATION_ERROR") == (refused.status_code, refused.json()["error"]["code"])
    assert field is None or field in str(refused.json()["error"]["details"])
    assert [] == await listed(api)


def test_the_command_line_takes_as_many_days() -> None:
    [days] = [option for option in create.params if option.name == "days"]
    assert isinstance(days.type, click.IntRange)
    assert (1, LIVES_DAYS_MAX, LIVES_DAYS_DEFAULT) == (days.type.min, days.type.max, days.default)
