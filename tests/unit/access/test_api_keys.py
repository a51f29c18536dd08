"""API keys: from being made to being revoked, and what each opens meanwhile."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from api.access import key_holders
from api.access.errors import CredentialExpired
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.records import ApiKeyRecord
from blocks.contracts.roles import Role
from blocks.ports import NotFound, Unavailable
from blocks.security import api_keys
from tests.support.api.api_client import Api, an_api
from tests.support.api.credentials import as_user
from tests.support.factories import A_TENANT, ANOTHER_TENANT, an_approval, now

EXECUTIONS = "/api/v1/executions"
HOUR = timedelta(hours=1)


@pytest.fixture
async def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Api]:
    monkeypatch.setattr(key_holders, "BELIEVED_SECONDS", 0.0)
    async with an_api(tmp_path) as api:
        yield api


async def made(
    api: Api, *roles: Role, name: str = "billing", tenant_id: str = A_TENANT, **options: Any
) -> str:
    key, _ = await api_keys.create_key(
        api.store, tenant_id, name, roles or ("viewer",), **{"lives": HOUR, **options}
    )
    return key


def prefix_of(key: str) -> str:
    return key.split("_")[1]


async def read(api: Api, key: str, tenant_id: str = A_TENANT) -> httpx.Response:
    return await api.client.get(EXECUTIONS, headers=as_user(key, tenant_id))


def refusal(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["message"]


async def test_a_key_opens_its_own_tenants_data_and_no_others(api: Api) -> None:
    key = await made(api)

    assert 200 == (await read(api, key)).status_code
    assert (403, "The tenant is not the credential's") == refusal(
        await read(api, key, ANOTHER_TENANT)
    )


async def test_a_key_may_do_what_its_roles_say(api: Api) -> None:
    key = await made(api, "viewer")

    refused = await api.client.post(
        EXECUTIONS, json={"workflow": "opportunity-analysis", "subject": "s"}, headers=as_user(key)
    )

    assert (403, "This needs the role operator") == refusal(refused)


async def test_the_store_holds_a_hash_and_no_key(api: Api) -> None:
    key = await made(api)

    [record] = await api_keys.keys_of(api.store, A_TENANT)
    assert key.split("_", 2)[2] not in repr(record)
    assert (64, prefix_of(key)) == (len(record.digest), record.prefix)


async def test_no_two_keys_are_alike_and_each_holds_256_random_bits(api: Api) -> None:
    first, second = await made(api), await made(api)

    assert first[len("wfo_") :] != second[len("wfo_") :]
    assert 43 == len(first.split("_", 2)[2])


@pytest.mark.parametrize(
    "change", [str.upper, lambda key: key[:-1], lambda key: key + "A", lambda key: key[:-1] + "!"]
)
async def test_what_is_nearly_a_key_opens_nothing(api: Api, change: Any) -> None:
    assert 401 == (await read(api, change(await made(api)))).status_code


async def test_the_secret_of_one_key_does_not_go_with_the_prefix_of_another(api: Api) -> None:
    one, other = await made(api), await made(api)
    mixed = f"wfo_{prefix_of(one)}_{other.split('_', 2)[2]}"

    assert (401, "The credential is not valid") == refusal(await read(api, mixed))


async def test_an_expired_key_is_reported_as_expired(api: Api) -> None:
    key = await made(api, lives=timedelta(seconds=-1))

    assert (401, "The credential has expired") == refusal(await read(api, key))


async def test_a_revoked_key_opens_nothing_although_it_was_just_used(api: Api) -> None:
    key = await made(api)
    assert 200 == (await read(api, key)).status_code

    await api_keys.revoke_key(api.store, A_TENANT, prefix_of(key))

    assert (401, "The credential is not valid") == refusal(await read(api, key))
    await api_keys.revoke_key(api.store, A_TENANT, prefix_of(key))  # once more changes nothing


async def test_a_key_is_believed_for_seconds_only_and_its_end_counts_at_once(
    tmp_path: Path,
) -> None:
    assert key_holders.BELIEVED_SECONDS <= 5
    async with an_api(tmp_path) as api:
        holders = key_holders.KeyHolders(api.store)
        key = await made(api)
        await holders.identity(key)
        [known] = holders._known.values()
        holders._known = {
            digest: replace(known, record=replace(known.record, expires_at=now()))
            for digest in holders._known
        }

        with pytest.raises(CredentialExpired):
            await holders.identity(key)


async def test_only_its_own_tenant_revokes_a_key(api: Api) -> None:
    key = await made(api)

    for tenant_id, prefix in (
        (ANOTHER_TENANT, prefix_of(key)),
        (A_TENANT, "0" * 12),
        (A_TENANT, "no/prefix"),
    ):
        with pytest.raises(NotFound):
            await api_keys.revoke_key(api.store, tenant_id, prefix)
    assert 200 == (await read(api, key)).status_code


async def test_two_keys_of_a_name_live_at_once_so_that_one_can_take_over(api: Api) -> None:
    old, new = await made(api), await made(api)
    with pytest.raises(api_keys.TooManyKeys, match="2 keys named billing are live"):
        await made(api)

    await api_keys.revoke_key(api.store, A_TENANT, prefix_of(old))

    assert 200 == (await read(api, new)).status_code
    assert await made(api)
    assert await made(api, name="billing", tenant_id=ANOTHER_TENANT)


async def test_its_last_use_is_noted_to_the_minute(api: Api) -> None:
    key = await made(api)
    assert (await kept(api, key)).last_used_at is None

    await read(api, key)
    first = (await kept(api, key)).last_used_at
    await read(api, key)

    assert first is not None
    assert now() - first < timedelta(minutes=1)
    assert first == (await kept(api, key)).last_used_at


async def test_a_use_that_cannot_be_noted_is_granted(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> None:
        raise Unavailable("away")

    key = await made(api)
    monkeypatch.setattr(api.store, "replace", away)

    assert 200 == (await read(api, key)).status_code


async def test_a_key_decides_in_its_own_name_unless_it_acts_for_users(api: Api) -> None:
    await api.holds(
        approval := an_approval(execution_id=None), another := an_approval(execution_id=None)
    )
    bot = as_user(await made(api, "approver", name="bot"))
    desk = as_user(await made(api, "approver", name="desk", acts_for_users=True))
    path = "/api/v1/hitl/approvals/{}/approve"

    refused = await api.client.post(
        path.format(approval.id), json={"decidedBy": "ann"}, headers=bot
    )
    own = await api.client.post(
        path.format(approval.id), json={"decidedBy": "key:bot"}, headers=bot
    )
    for_ann = await api.client.post(
        path.format(another.id), json={"decidedBy": "ann"}, headers=desk
    )

    assert (403, "The credential is another user's than the request names") == refusal(refused)
    assert ("key:bot", "ann") == (own.json()["decidedBy"], for_ann.json()["decidedBy"])


async def test_no_key_is_in_the_log_however_it_was_sent(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    key = await made(api)
    secret = key.split("_", 2)[2]

    await read(api, key)
    await read(api, key[:-1])
    await api.client.get(
        f"{EXECUTIONS}?access_token={key}", headers={"Authorization": f"Basic {key}"}
    )
    await api.client.get(
        EXECUTIONS, headers={"Authorization": f"Bearer x{key}", "X-Tenant-ID": A_TENANT}
    )

    assert "answered 401" in caplog.text
    assert secret not in "".join(
        record.getMessage() for record in caplog.records if record.name.startswith("api")
    )


async def test_where_keys_are_switched_off_they_open_nothing(tmp_path: Path) -> None:
    async with an_api(tmp_path, AUTH_MODE="jwt") as api:
        assert 401 == (await read(api, await made(api))).status_code


async def kept(api: Api, key: str) -> ApiKeyRecord:
    return (await api.store.read(SYSTEM_TENANT, ApiKeyRecord, f"api-key:{prefix_of(key)}")).record
