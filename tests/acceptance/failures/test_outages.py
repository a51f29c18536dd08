"""What our processes do while a part is away: nothing is lost, nothing is done twice, and all goes
on by itself.
"""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from blocks.adapters.retrying import RetryingEventBus
from blocks.contracts.records import ExecutionRecord
from blocks.ports import Message, Query, Unavailable
from blocks.topology import intake_queue
from deployments.local.readiness import api_url
from tests.support.api.credentials import AnyTenant
from tests.support.factories import A_TENANT, ANOTHER_TENANT
from tests.support.servers.cosmos import CosmosEmulator
from tests.support.servers.cosmos_fault_proxy import (
    APPLIED_THEN_DROPPED,
    WRITES,
    Delay,
    Drop,
    throttled,
)
from tests.support.servers.foreign_queue import taken_by_another_connection
from tests.support.servers.prefect_server import PrefectServer
from tests.support.servers.rabbitmq import RabbitMQNode
from tests.support.system.analysis_services import AnalysisServices, opportunity_event, services_on
from tests.support.system.ledger import REQUESTED, TERMINAL, Ledger
from tests.support.system.linked import Links, linked_orchestra
from tests.support.system.orchestra import Orchestra
from tests.support.waiting import eventually

pytestmark = pytest.mark.long

MANY = 1000
LONG = pytest.param(60.0, marks=pytest.mark.slow)


@pytest.fixture
async def parts(
    tmp_path: Path,
    links: Links,
    rabbitmq: RabbitMQNode,
    cosmos_emulator: CosmosEmulator,
    prefect_server: PrefectServer,
) -> AsyncIterator[Orchestra]:
    quick = {"RECONCILER_INTERVAL_SECONDS": "1", "DISPATCH_SWEEP_SECONDS": "2"}
    async with linked_orchestra(
        tmp_path, links, rabbitmq, cosmos_emulator, prefect_server, **quick
    ) as parts:
        yield parts


def events(count: int, tenant_id: str = A_TENANT) -> list[Message]:
    return [opportunity_event(tenant_id, str(uuid4()), id=str(uuid4())) for _ in range(count)]


async def seen(
    parts: Orchestra, look: Callable[[], Awaitable[Any]], *, within_seconds: float = 60.0
) -> float:
    """How many seconds it took until that was so; with the processes' logs if it never was."""
    began = time.monotonic()
    try:
        await eventually(look, within_seconds=within_seconds, every_seconds=0.1)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{parts.logs()}") from None
    return time.monotonic() - began


async def listening(parts: Orchestra) -> None:
    parts.listener.start()
    await seen(parts, lambda: has_logged(parts, "listening on queue"))


async def lasting(seconds: float, *, since: float) -> None:
    """An outage has lasted so long."""
    await asyncio.sleep(max(0.0, since + seconds - time.monotonic()))


async def has_logged(parts: Orchestra, words: str) -> bool:
    return words in parts.listener.log


async def trigger_ids(parts: Orchestra) -> list[str]:
    page = await parts.store.query(A_TENANT, Query(ExecutionRecord, limit=1000))
    return sorted(id for stored in page.items for id in stored.record.trigger_ids)


async def recorded(parts: Orchestra, sent: list[Message]) -> bool:
    return await trigger_ids(parts) == sorted(message.id for message in sent)


async def ends_published(ledger: Ledger, count: int) -> bool:
    return len(ledger.of(*TERMINAL)) >= count


async def under_way(parts: Orchestra, services: AnalysisServices) -> list[Message]:
    """The events of three analyses that have asked for all their steps, without
    an answer.
    """
    parts.api.start()
    await listening(parts)
    parts.worker.start()
    await parts.bus.publish(*(sent := events(3)))

    async def have_asked() -> bool:
        return len(services.unanswered) == 12

    await seen(parts, have_asked)
    return sent


async def answers(parts: Orchestra, path: str = "/api/v1/executions") -> httpx.Response:
    async with httpx.AsyncClient(
        base_url=api_url(parts.settings), timeout=40, auth=AnyTenant()
    ) as client:
        return await client.get(path, headers={"X-Tenant-ID": A_TENANT})


async def status_of(parts: Orchestra, path: str, status: int) -> httpx.Response | None:
    with suppress(httpx.TransportError):
        response = await answers(parts, path)
        return response if response.status_code == status else None
    return None


async def untouched(parts: Orchestra) -> None:
    """No message is left, held or rejected."""
    queue = intake_queue(parts.settings)
    await seen(parts, lambda: is_empty(parts, queue.name))
    assert await parts.bus.depth(queue.dead_letters) == 0


async def is_empty(parts: Orchestra, queue: str) -> bool:
    return await parts.bus.depth(queue) == 0


# --- Cosmos DB ------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [6.0, LONG])
async def test_while_cosmos_db_is_away_the_listener_stops_consuming_and_the_api_answers_503(
    parts: Orchestra, links: Links, seconds: float
) -> None:
    parts.api.start()
    await listening(parts)
    await seen(parts, lambda: status_of(parts, "/health", 200))
    before, during = events(20), events(int(10 * seconds))
    await parts.bus.publish(*before)
    await seen(parts, lambda: recorded(parts, before))
    memory_before = parts.listener.memory_mb

    links.cosmos.inject(Drop())
    began, asked_before = time.monotonic(), links.cosmos.requests.total()
    await parts.bus.publish(*during)
    response = await answers(parts)
    assert (503, "5") == (response.status_code, response.headers["retry-after"])
    assert response.json()["error"]["code"] == "DEPENDENCY_UNAVAILABLE"
    await seen(parts, lambda: holds(parts, len(during)))
    await lasting(seconds, since=began)
    asked_per_second = (links.cosmos.requests.total() - asked_before) / (time.monotonic() - began)
    grown = parts.listener.memory_mb - memory_before
    links.cosmos.heal()
    recovery = await seen(parts, lambda: recorded(parts, before + during), within_seconds=60)

    print(  # noqa: T201
        f"away {seconds:g} s: {asked_per_second:.1f} requests/s, {grown:+.1f} MB, all recorded "
        f"{recovery:.1f} s after"
    )
    assert asked_per_second < 100
    assert grown < 20
    await untouched(parts)
    assert (await answers(parts)).status_code == 200


async def holds(parts: Orchestra, count: int) -> bool:
    """So many messages wait in the queue, and no consumer has one in hand."""
    return await parts.bus.depth(intake_queue(parts.settings).name) == count


@pytest.mark.parametrize("seconds", [6.0, LONG])
async def test_while_cosmos_db_throttles_the_api_answers_429_and_no_event_is_lost(
    parts: Orchestra, links: Links, seconds: float
) -> None:
    parts.api.start()
    await listening(parts)
    await seen(parts, lambda: status_of(parts, "/health", 200))

    links.cosmos.inject(throttled(retry_after_ms=300))
    began, sent = time.monotonic(), events(20)
    await parts.bus.publish(*sent)
    response = await answers(parts)
    assert (429, "THROTTLED") == (response.status_code, response.json()["error"]["code"])
    assert int(response.headers["retry-after"]) >= 1
    await lasting(seconds, since=began)
    links.cosmos.heal()
    recovery = await seen(parts, lambda: recorded(parts, sent), within_seconds=40)

    print(f"throttled {seconds:g} s: all recorded {recovery:.1f} s after")  # noqa: T201
    await untouched(parts)
    assert (await answers(parts)).status_code == 200


async def test_writes_that_were_applied_though_their_answers_were_dropped_are_recognised(
    parts: Orchestra, links: Links, ledger: Ledger
) -> None:
    sent = events(10)
    async with services_on(parts.bus, parts.name):
        await listening(parts)
        parts.worker.start()
        links.cosmos.inject(APPLIED_THEN_DROPPED, *WRITES, path="/workflow_", times=60)
        await parts.bus.publish(*sent)
        await seen(parts, lambda: ends_published(ledger, 10))
    assert links.cosmos.faults.total() == 60
    assert await recorded(parts, sent)
    page = await parts.store.query(A_TENANT, Query(ExecutionRecord))
    assert {"completed"} == {stored.record.status for stored in page.items}
    assert {} == ledger.second_ids()
    await untouched(parts)


async def test_an_outage_of_cosmos_db_in_the_middle_of_an_analysis_fails_nothing(
    parts: Orchestra, links: Links, ledger: Ledger
) -> None:
    async with services_on(parts.bus, parts.name, silent=REQUESTED) as services:
        sent = await under_way(parts, services)
        with links.cosmos.broken(Drop()):
            await services.speak()
            await lasting(12, since=time.monotonic())
        recovery = await seen(parts, lambda: ends_published(ledger, 3))
    print(f"Cosmos DB away 12 s: all announced {recovery:.1f} s after")  # noqa: T201
    page = await parts.store.query(A_TENANT, Query(ExecutionRecord))
    assert ["completed"] * 3 == [stored.record.status for stored in page.items]
    assert await recorded(parts, sent)
    assert {} == ledger.second_ids()


# --- the broker -----------------------------------------------------------------------------------


async def test_a_disk_alarm_is_shown_by_ready_and_what_could_not_be_published_goes_out_after_it(
    parts: Orchestra, rabbitmq: RabbitMQNode, ledger: Ledger
) -> None:
    parts.api.start()
    await listening(parts)
    parts.worker.start()
    async with services_on(parts.bus, parts.name):
        await parts.bus.publish(*events(1))
        await seen(parts, lambda: ends_published(ledger, 1))
        await seen(parts, lambda: status_of(parts, "/ready", 200))
        await asyncio.to_thread(rabbitmq.ctl, "set_disk_free_limit", "99999GB")
        try:

            async def shows_why() -> bool:
                checks = (await answers(parts, "/ready")).json()["checks"]
                return "short of disk or memory" in checks["broker"].get("detail", "")

            await seen(parts, shows_why)
            publishing = asyncio.create_task(RetryingEventBus(parts.bus).publish(*events(3)))
            with pytest.raises(Unavailable):
                await parts.bus.publish(*events(1))
        finally:
            await asyncio.to_thread(rabbitmq.ctl, "set_disk_free_limit", "50MB")
        recovery = await seen(parts, lambda: ends_published(ledger, 4))
        await publishing
        await seen(parts, lambda: status_of(parts, "/ready", 200))
    print(f"after a disk alarm: all announced {recovery:.1f} s after")  # noqa: T201
    assert {} == ledger.second_ids()
    await untouched(parts)


@pytest.mark.parametrize("seconds", [6.0, LONG])
async def test_a_half_open_link_to_the_broker_loses_and_doubles_nothing(
    parts: Orchestra, links: Links, ledger: Ledger, seconds: float
) -> None:
    async with services_on(parts.bus, parts.name, silent=REQUESTED) as services:
        await under_way(parts, services)
        links.broker.blackhole()
        await services.speak()
        await parts.bus.publish(*events(3))
        await lasting(seconds, since=time.monotonic())
        links.broker.pass_all()
        recovery = await seen(parts, lambda: ends_published(ledger, 6))
    print(f"half-open {seconds:g} s: all announced {recovery:.1f} s after")  # noqa: T201
    assert len(ledger.of(*TERMINAL)) == 6
    assert {} == ledger.second_ids()
    await untouched(parts)


async def test_a_listener_whose_queue_was_deleted_is_not_ready_until_it_consumes_again(
    parts: Orchestra, rabbitmq: RabbitMQNode
) -> None:
    parts.api.start()
    await listening(parts)

    async def is_listener(status: str) -> bool:
        response = await status_of(parts, "/ready", 503)  # there is no worker
        return response is not None and response.json()["checks"]["listener"]["status"] == status

    await seen(parts, lambda: is_listener("ok"))
    async with taken_by_another_connection(rabbitmq, intake_queue(parts.settings).name):
        await seen(parts, lambda: is_listener("error"))
        await seen(parts, lambda: has_logged(parts, "RESOURCE_LOCKED"))
    recovery = await seen(parts, lambda: is_listener("ok"))
    print(f"after its queue was taken: ready again {recovery:.1f} s after")  # noqa: T201
    await parts.bus.publish(*(sent := events(3)))
    await seen(parts, lambda: recorded(parts, sent))


async def test_a_listener_that_stood_still_loses_its_connection_and_no_event(
    parts: Orchestra, links: Links
) -> None:
    await listening(parts)
    await parts.bus.publish(*(first := events(20)))
    os.kill(parts.listener.pid, signal.SIGSTOP)
    await parts.bus.publish(*(second := events(20)))

    async def is_given_up() -> bool:
        """The broker received nothing for two heartbeats, and has closed the connections."""
        return links.broker.connections == 0

    try:
        await seen(parts, is_given_up)
    finally:
        os.kill(parts.listener.pid, signal.SIGCONT)
    recovery = await seen(parts, lambda: recorded(parts, first + second))
    print(f"after standing still: all recorded {recovery:.1f} s after")  # noqa: T201
    await untouched(parts)


# --- Prefect --------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [6.0, LONG])
async def test_without_prefects_server_events_are_taken_in_and_running_analyses_are_finished_after(
    parts: Orchestra, links: Links, ledger: Ledger, seconds: float
) -> None:
    async with services_on(parts.bus, parts.name, silent=REQUESTED) as services:
        before = await under_way(parts, services)

        links.prefect.cut()
        began = time.monotonic()
        await parts.bus.publish(*(during := events(3)))
        await parts.bus.publish(*events(3, ANOTHER_TENANT))
        intake = await seen(parts, lambda: recorded(parts, before + during))
        await services.speak()
        await lasting(seconds, since=began)
        # These have joined the run that is under way; the other tenant has none.
        assert (0, 3) == (await pending(parts, A_TENANT), await pending(parts, ANOTHER_TENANT))
        links.prefect.pass_all()
        recovery = await seen(parts, lambda: ends_published(ledger, 9), within_seconds=90)
    took = f"recorded in {intake:.1f} s, all announced {recovery:.1f} s after"
    print(f"Prefect away {seconds:g} s: {took}")  # noqa: T201
    assert len(ledger.of(*TERMINAL)) == 9
    assert {} == ledger.second_ids()
    page = await parts.store.query(A_TENANT, Query(ExecutionRecord))
    assert {"completed"} == {stored.record.status for stored in page.items}


async def pending(parts: Orchestra, tenant_id: str) -> int:
    return await parts.store.count(tenant_id, ExecutionRecord, {"status": "pending"})


# --- stopping -------------------------------------------------------------------------------------


async def test_a_listener_stopped_with_its_hands_full_rejects_nothing_and_leaves_the_rest(
    parts: Orchestra, links: Links
) -> None:
    await listening(parts)
    links.cosmos.inject(Delay(seconds=0.5), "create", "query")
    await parts.bus.publish(*(sent := events(MANY)))

    async def has_its_hands_full() -> bool:
        return links.cosmos.faults["create"] >= 2  # of so many events each

    await seen(parts, has_its_hands_full)
    began = time.monotonic()
    assert await asyncio.to_thread(parts.listener.stop) == 0
    stopped_after = time.monotonic() - began
    links.cosmos.heal()
    done = len(await trigger_ids(parts))
    assert 0 < done < MANY
    print(f"stopped after {stopped_after:.1f} s, {done} of {MANY} recorded")  # noqa: T201
    assert stopped_after < 15
    assert await parts.bus.depth(intake_queue(parts.settings).name) >= MANY - done

    parts.listener.start()
    await seen(parts, lambda: recorded(parts, sent))
    await untouched(parts)
