"""Health monitoring: what is seen of endpoints and a database, and who is notified."""

import asyncio
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from blocks.clock import utc_now
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.records import OperationStateRecord
from blocks.notifications import NotDelivered
from blocks.operations.health import (
    aggregate,
    alert,
    check_database,
    check_endpoints,
)
from blocks.operations.health.aggregation import Looks
from blocks.operations.health.alerting import PartHealth, after
from blocks.operations.work import NotConfigured
from blocks.ports import Query, RecordStore
from blocks.settings import BadSetting, Settings, load_settings
from tests.support.notifications.comms_hub import CommsHub, comms_hub
from tests.support.servers.canned_http import answer, canned_http
from tests.support.servers.ports import free_port
from tests.support.servers.postgres import Postgres


def settings_of(**variables: object) -> Settings:
    given = {"HEALTH_MONITORING_CALL_SECONDS": "2"}
    return load_settings({**given, **{name: str(value) for name, value in variables.items()}})


# --- endpoints ------------------------------------------------------------------------------------


async def test_each_endpoint_is_asked_with_its_time() -> None:
    async with canned_http() as (_, good), canned_http(answer(b"", "503 Busy")) as (_, bad):
        gone = f"http://127.0.0.1:{free_port()}/health"
        listed = f"api={good}/health?token=s3cret, cms={bad}/, {gone}"
        settings = settings_of(HEALTH_MONITORING_ENDPOINTS=listed)
        found = await check_endpoints(settings.operations.health_monitoring)

    assert (3, 1) == (found["servicesChecked"], found["healthyServices"])
    api, cms, third = found["details"]
    assert ("api", f"{good}/health", True) == (api["name"], api["url"], api["healthy"])
    assert 0 <= api["responseTime"] < 2_000
    assert ("cms", "it answered 503") == (cms["name"], cms["error"])
    assert (gone.removeprefix("http://"), "it cannot be reached (ConnectError)") == (
        third["name"],
        third["error"],
    )


async def test_endpoints_are_asked_at_once_within_the_bound_and_the_limit() -> None:
    at_work, most = 0, 0

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        await reader.read()
        at_work -= 1
        writer.close()

    async with await asyncio.start_server(hang, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        settings = settings_of(
            HEALTH_MONITORING_ENDPOINTS=",".join(f"{url}/{number}" for number in range(12)),
            HEALTH_MONITORING_AT_ONCE="4",
            HEALTH_MONITORING_CALL_SECONDS="0.3",
        )
        began = time.monotonic()
        found = await check_endpoints(settings.operations.health_monitoring)

    assert {"it did not answer within 0.3 s"} == {detail["error"] for detail in found["details"]}
    assert 0.9 <= time.monotonic() - began < 5
    assert 4 == most


async def test_without_endpoints_there_is_nothing_to_ask() -> None:
    with pytest.raises(NotConfigured, match="HEALTH_MONITORING_ENDPOINTS"):
        await check_endpoints(settings_of().operations.health_monitoring)


@pytest.mark.parametrize(
    "listed", ["web=ftp://web/", "web", "a=http://b,a=http://c", "http://user:secret@host/"]
)
def test_endpoints_that_make_no_sense_are_refused(listed: str) -> None:
    with pytest.raises(BadSetting, match="HEALTH_MONITORING_ENDPOINTS"):
        settings_of(HEALTH_MONITORING_ENDPOINTS=listed)


# --- the database ---------------------------------------------------------------------------------


async def test_a_database_that_answers_is_healthy(postgres: Postgres) -> None:
    settings = settings_of(DATABASE_URL=postgres.url())

    found = await check_database(settings.operations.health_monitoring)

    assert found["databaseHealthy"]
    assert (300, True) == (
        found["connectionPool"]["max"],
        found["connectionPool"]["used"] >= 1,
    )


async def test_a_database_that_does_not_answer_is_not(postgres: Postgres) -> None:
    urls = [
        f"postgresql://user:hunter2hunter2@127.0.0.1:{free_port()}/shop",
        postgres.url("nowhere"),
    ]
    found = [
        await check_database(settings_of(DATABASE_URL=url).operations.health_monitoring)
        for url in urls
    ]

    assert [False, False] == [one["databaseHealthy"] for one in found]
    assert "hunter2" not in str(found)
    assert 'database "nowhere" does not exist' in found[1]["databaseError"]


async def test_without_a_database_there_is_nothing_to_connect_to() -> None:
    with pytest.raises(NotConfigured, match="DATABASE_URL"):
        await check_database(settings_of().operations.health_monitoring)


# --- both -----------------------------------------------------------------------------------------


def found_of(**endpoints: str | None) -> dict[str, Any]:
    """As `check_endpoints` finds it; None: it works."""
    return {
        "details": [
            {"name": name, "responseTime": 10, **({"error": error} if error else {})}
            for name, error in endpoints.items()
        ]
    }


def test_the_sums_name_what_fails() -> None:
    found = found_of(api=None, cms="it answered 503") | {
        "services": [{"name": "web"}, {"name": "db", "error": "it is stopped"}],
        "databaseHealthy": False,
        "databaseError": "no answer",
    }

    assert {
        "metricsCollected": True,
        "metrics": {
            "checked": 6,
            "failing": ["container db", "database", "endpoint cms"],
            "slowestMilliseconds": 10,
        },
    } == aggregate(found)
    with pytest.raises(NotConfigured, match="nothing was checked"):
        aggregate({"triggeredBy": "scheduler"})


# --- alerts ---------------------------------------------------------------------------------------


@pytest.fixture
def hub() -> Iterator[CommsHub]:
    with comms_hub() as hub:
        yield hub


def alerting(hub: CommsHub, grace_seconds: float = 0) -> Settings:
    return settings_of(
        COMMS_HUB_URL=hub.url,
        ALERT_EMAIL="operators@platform.example",
        HEALTH_MONITORING_GRACE_SECONDS=grace_seconds,
    )


async def parts_known(store: RecordStore) -> dict[str, Any]:
    page = await store.query(SYSTEM_TENANT, Query(OperationStateRecord))
    [stored] = page.items
    parts: dict[str, Any] = stored.record.state["parts"]
    return parts


def subjects(hub: CommsHub) -> list[str]:
    return [message["subject"] for message in hub.messages]


async def test_an_outage_is_one_message_however_long_it_lasts_and_its_end_another(
    store: RecordStore, hub: CommsHub
) -> None:
    settings = alerting(hub)
    down, up = found_of(api="it answered 503", cms=None), found_of(api=None, cms=None)

    figures = [await alert(store, settings, found) for found in (up, down, down, down, up, up)]

    assert ["[CRITICAL] endpoint api down", "[RESOLVED] the platform is healthy"] == subjects(hub)
    assert [0, 1, 0, 0, 1, 0] == [one["alertsSent"] for one in figures]
    assert [0, 1, 1, 1, 0, 0] == [one["totalAlerts"] for one in figures]
    assert "endpoint api: it answered 503, since 20" in hub.messages[0]["body"]
    assert [10, 5] == [message["priority"] for message in hub.messages]


async def test_a_further_part_that_fails_is_notified_of_at_once(
    store: RecordStore, hub: CommsHub
) -> None:
    settings = alerting(hub)
    await alert(store, settings, found_of(api="x", cms=None))
    await alert(store, settings, found_of(api="x", cms="y"))
    await alert(store, settings, found_of(api=None, cms="y"))

    assert [
        "[CRITICAL] endpoint api down",
        "[CRITICAL] endpoint api, endpoint cms down",
        "[CRITICAL] endpoint cms down",
    ] == subjects(hub)


async def test_a_hiccup_within_the_grace_is_notified_of_to_no_one(
    store: RecordStore, hub: CommsHub
) -> None:
    settings = alerting(hub, grace_seconds=3600)

    for found in (found_of(api="x"), found_of(api=None), found_of(api="x")):
        await alert(store, settings, found)

    assert [] == hub.messages
    api = (await parts_known(store))["endpoint api"]
    assert ("x", False) == (api["problem"], api["isDown"])


async def test_an_alert_that_no_one_took_is_sent_by_the_next_run(
    store: RecordStore, hub: CommsHub
) -> None:
    hub.failures = [400]
    with pytest.raises(NotDelivered):
        await alert(store, alerting(hub), found_of(api="x"))

    assert 1 == (await alert(store, alerting(hub), found_of(api="x")))["alertsSent"]


async def test_without_a_notifier_the_step_is_skipped_and_the_state_is_known(
    store: RecordStore,
) -> None:
    settings = settings_of(HEALTH_MONITORING_GRACE_SECONDS="0")
    with pytest.raises(NotConfigured, match="COMMS_HUB_URL or SMTP_URL is not set"):
        await alert(store, settings, found_of(api="x"))

    assert (await parts_known(store))["endpoint api"]["isDown"]


NOW = utc_now()
GRACE = timedelta(minutes=2)


def seen(
    known: dict[str, PartHealth], problem: str | None, minutes: float
) -> dict[str, PartHealth]:
    looks = Looks(frozenset({"endpoint"}), {"endpoint api": problem})
    return after(known, looks, NOW + timedelta(minutes=minutes), GRACE)


def test_a_part_is_down_and_up_again_after_the_grace() -> None:
    states, known = [], dict[str, PartHealth]()
    for minute, problem in enumerate(["x", "y", "x", None, None, "x", None, None, None]):
        known = seen(known, problem, minute)
        states.append(known["endpoint api"].is_down)

    assert [False, False, True, True, True, True, True, True, False] == states


def test_what_was_not_looked_at_stays_and_what_is_gone_is_forgotten() -> None:
    down = PartHealth(problem="x", since=NOW, is_down=True)
    known = {"container web": down, "endpoint old": down}

    assert {"container web", "endpoint api"} == set(seen(known, None, 1))
