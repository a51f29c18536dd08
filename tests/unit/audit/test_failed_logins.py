"""Failed logins stand on the platform's audit log, with their address, however many there are."""

from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from api.access.limits.failures import network_of
from blocks.adapters.sqlite.record_store import SqliteRecordStore
from blocks.audit import failed_logins
from blocks.audit.failed_logins import (
    ADDRESSES_MAX,
    ENTRIES_MAX,
    FIRST_WINDOW_SECONDS,
    OTHERS,
    WINDOW_SECONDS,
    FailedLogins,
    written_down,
)
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.records.audit import FAILED_LOGIN, AuditEntry
from blocks.ports import RecordStore, Unavailable
from blocks.queries import every
from tests.support.api.api_client import Api, an_api
from tests.support.api.credentials import a_token, as_user
from tests.support.factories import ANOTHER_TENANT

EXECUTIONS = "/api/v1/executions"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[RecordStore]:
    async with SqliteRecordStore(tmp_path / "records.db") as store:
        yield store


async def entries(store: RecordStore) -> list[AuditEntry]:
    return [stored.record async for stored in every(store, SYSTEM_TENANT, AuditEntry)]


async def noted(api: Api) -> dict[str, dict[str, int] | None]:
    """The failures of each address, once the window has ended."""
    await api.failures.logins.write(api.store)
    return {entry.targets[0]: entry.failures for entry in await entries(api.store)}


async def test_each_kind_of_failure_is_counted_and_nothing_shown_is_kept(tmp_path: Path) -> None:
    async with an_api(tmp_path, METRICS_ON_API_PORT="true", METRICS_BEARER_TOKEN="t" * 32) as api:
        wrong = as_user("no.such.token")
        for status, headers in (
            (401, {}),
            (401, wrong),
            (401, as_user(a_token("viewer", exp=1))),
            (403, as_user(a_token("viewer")) | {"X-Tenant-ID": ANOTHER_TENANT}),
            (401, as_user(a_token("viewer")) | {"X-Tenant-ID": ""}),
        ):
            answer = await api.client.get(EXECUTIONS, headers=headers, auth=None)
            assert status == answer.status_code, answer.text
        assert 401 == (await api.client.get("/metrics", headers=wrong)).status_code

        assert {
            "127.0.0.1": {
                "missing": 1,
                "invalid": 2,
                "expired": 1,
                "another tenant": 1,
                "no tenant": 1,
            }
        } == await noted(api)
        (entry,) = await entries(api.store)
        assert (FAILED_LOGIN, "refused", "unproven") == (
            entry.action,
            entry.result,
            entry.credential,
        )
        assert "no.such.token" not in repr(entry)


async def test_a_request_that_is_let_in_or_refused_for_another_reason_is_none(
    tmp_path: Path,
) -> None:
    async with an_api(tmp_path) as api:
        await api.get(EXECUTIONS)
        await api.get(EXECUTIONS, tenant_id="no-uuid")

        assert {} == await noted(api)


@pytest.mark.parametrize(
    ("trusted", "counted"), [("127.0.0.1", "203.0.113.7"), ("10.0.0.0/8", "127.0.0.1")]
)
async def test_only_a_trusted_proxy_names_the_address(
    tmp_path: Path, trusted: str, counted: str
) -> None:
    async with an_api(tmp_path) as api:
        behind: Any = ProxyHeadersMiddleware(api.app, trusted_hosts=[trusted])  # type: ignore[arg-type] # Litestar is stricter
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(behind, raise_app_exceptions=False),
            base_url="http://api.test",
        ) as client:
            await client.get(
                EXECUTIONS, headers=as_user("wrong") | {"X-Forwarded-For": "203.0.113.7"}
            )

        assert [counted] == [*await noted(api)]


async def test_a_flood_leaves_few_entries_and_those_of_who_failed_most(store: RecordStore) -> None:
    logins = FailedLogins()
    for number in range(3 * ADDRESSES_MAX):
        logins.count(f"address-{number}", "invalid")
    for _ in range(10_000):
        logins.count("address-7", "invalid")

    await logins.write(store)

    written = Counter(
        {one.targets[0]: (one.failures or {})["invalid"] for one in await entries(store)}
    )
    assert ENTRIES_MAX + 1 == len(written)
    assert 10_001 == written["address-7"]
    assert 3 * ADDRESSES_MAX + 10_000 == written.total()
    assert 2 * ADDRESSES_MAX < written[OTHERS]


async def test_the_first_are_written_within_seconds_and_a_flood_ever_more_rarely(
    store: RecordStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, written_at = 1_000.0, list[float]()
    monkeypatch.setattr(failed_logins, "monotonic", lambda: now)
    logins = FailedLogins()
    for second in range(1_500):
        now = 1_000.0 + second
        await logins.write_due(store)
        if len(await entries(store)) > len(written_at):
            written_at.append(second)
        if second <= 1_000:
            logins.count("203.0.113.7", "invalid")

    assert [5, 15, 35, 75, 155, 315, 615, 915, 1215] == written_at
    assert 1_001 == sum((one.failures or {})["invalid"] for one in await entries(store))
    now += WINDOW_SECONDS
    logins.count("203.0.113.7", "invalid")
    now += FIRST_WINDOW_SECONDS
    await logins.write_due(store)
    assert 10 == len(await entries(store))


async def test_what_could_not_be_written_is_written_later_once(
    store: RecordStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    logins = FailedLogins()
    logins.count("203.0.113.7", "invalid")
    create = store.create

    async def away(*_: Any) -> None:
        raise Unavailable("the store")

    monkeypatch.setattr(store, "create", away)
    with pytest.raises(Unavailable):
        await logins.write(store)
    logins.count("203.0.113.7", "expired")
    monkeypatch.setattr(store, "create", create)
    await logins.write(store)
    await logins.write(store)

    assert [{"invalid": 1}, {"expired": 1}] == [one.failures for one in await entries(store)]


async def test_when_the_process_ends_what_was_counted_is_written(store: RecordStore) -> None:
    logins = FailedLogins()

    async with written_down(logins, store):
        logins.count("203.0.113.7", "invalid")

    assert ["203.0.113.7"] == [one.targets[0] for one in await entries(store)]


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:aaaa:bbbb:cccc:dddd", "2001:db8:1:2::/64"),
        ("", ""),
    ],
)
def test_who_has_a_network_of_addresses_is_one(address: str, network: str) -> None:
    assert network == network_of(address)
