"""Claim recovery live over Socket.IO: the npm client, against API processes of their own, on both
buses.
"""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from uuid import uuid4

import httpx
import pytest

from blocks.claims.log import event_of
from blocks.contracts.records.claims import PhaseLogEntry
from blocks.messages import to_message
from tests.support.api.credentials import a_service_token, a_token
from tests.support.claims.phase_entries import an_entry
from tests.support.factories import ANOTHER_TENANT, now
from tests.support.servers.rabbitmq import RabbitMQNode
from tests.support.system.live_system import LiveSystem, live_system
from tests.support.system.orchestra import on_rabbitmq
from tests.support.system.socket_clients import SocketClient, a_socket_client
from tests.support.waiting import eventually

FROZEN_SECONDS = 8
"""Long enough for a client on a busy machine to answer a ping in time: who is late is frozen."""

SHORT_TIMES = {
    "LIVE_HEARTBEAT_SECONDS": "0.5",
    "LIVE_OVERLAP_SECONDS": "1",
    "LIVE_FROZEN_SECONDS": str(FROZEN_SECONDS),
    "REQUEST_HEAD_SECONDS": "6",
}
PERCENT = [14, 29, 43, 57, 71, 86, 100]


@pytest.fixture(scope="module")
async def system(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[LiveSystem]:
    """Two API processes."""
    broker = {}
    if getattr(request, "param", "sqlite") == "rabbitmq":
        node: RabbitMQNode = request.getfixturevalue("rabbitmq")
        broker = on_rabbitmq(node, str(uuid4()))
    folder = tmp_path_factory.mktemp("sockets")
    async with live_system(folder, 2, **SHORT_TIMES, **broker) as system:
        yield system


async def happens(system: LiveSystem, *entries: PhaseLogEntry) -> None:
    """They are in the log, and published."""
    for entry in entries:
        await system.store.create(entry.tenant_id, entry)
    await system.bus.publish(*(to_message(event_of(entry)) for entry in entries))


async def follows(client: SocketClient, user: str, sync: str, **position: object) -> None:
    """Authenticated, and subscribed to the sync."""
    answers = len(client.of("authenticated"))
    token = a_token("viewer", user=user)
    client.emit("authenticate", {"userId": user, "token": token, **position})
    client.emit("subscribe_sync_progress", {"userId": user, "syncId": sync, **position})
    assert {"success": True} == (await client.gets("authenticated", answers + 1))[-1]


async def serves_clients(port: int, count: int) -> bool:
    async with httpx.AsyncClient() as client:
        shown = (await client.get(f"http://127.0.0.1:{port}/metrics")).text
    return f"socket_clients {count}.0" in shown


def a_journey(user: str, sync: str) -> list[PhaseLogEntry]:
    """Every phase begins and completes."""
    return [
        an_entry(phase, mark, user_id=user, sync_id=sync)
        for phase in range(1, 8)
        for mark in ("started", "completed")
    ]


@pytest.mark.parametrize(
    "system", ["sqlite", pytest.param("rabbitmq", marks=pytest.mark.long)], indirect=True
)
@pytest.mark.parametrize("transport", ["polling", "websocket"])
async def test_a_page_sees_the_journey_in_order_at_any_process(
    system: LiveSystem, transport: str
) -> None:
    user, sync = str(uuid4()), str(uuid4())
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(a_socket_client(place.port, transports=[transport]))
            for place in system.places
        ]
        for client in clients:
            await follows(client, user, sync)
        entries = a_journey(user, sync)
        await happens(system, *entries)

        for client in clients:
            await client.gets("sync_completed")
            live = [one for one in client.of("sync_progress_update") if "stage" in one]
            assert [0, *PERCENT] == [one["percent"] for one in live]
            assert [
                "Onboarding Started",
                "Onboarding Complete",
                "Analyzing your orders…",
                "Detection Complete",
                "Success probability: 63%",
                "Evidence Matching Complete",
                "Claim Submitted",
                "Claim Rejected",
                "Payout Received",
            ] == [one["title"] for one in client.of("notification")]
            for phase in range(1, 8):
                assert 1 == len(client.of(f"workflow.phase.{phase}.completed"))
                assert [] == client.of(f"workflow.phase.{phase}.started")


async def test_a_wrong_token_opens_no_room(system: LiveSystem) -> None:
    user, sync = str(uuid4()), str(uuid4())
    async with a_socket_client(system.places[0].port) as client:
        client.emit("authenticate", {"userId": user, "token": "nonsense"})
        client.emit("subscribe_sync_progress", {"userId": user, "syncId": sync})
        [answer] = await client.gets("authenticated")
        [refusal] = await client.gets("error")
        await happens(system, *a_journey(user, sync))
        await happens(system, an_entry(user_id="watched"))
        client.emit("authenticate", {"userId": user, "token": a_token("viewer", user="bob")})
        other = (await client.gets("authenticated", 2))[1]

        assert {"success": False, "error": "The credential is not valid"} == answer
        assert {"success": False, "error": "A credential is required"} == refusal
        assert other["success"] is False
        assert [] == client.of("notification")


async def test_a_service_may_follow_any_user_of_its_tenant(system: LiveSystem) -> None:
    user = str(uuid4())
    async with a_socket_client(system.places[0].port) as client:
        client.emit("authenticate", {"userId": user, "token": a_service_token("viewer")})
        await client.gets("authenticated")
        await happens(system, an_entry(user_id=user))

        await client.gets("workflow.phase.1.completed")


async def test_a_tenant_sees_nothing_of_another_whose_user_has_the_same_id(
    system: LiveSystem,
) -> None:
    user, sync = str(uuid4()), str(uuid4())
    async with a_socket_client(system.places[0].port) as client:
        await follows(client, user, sync)
        foreign = an_entry(user_id=user, sync_id=sync, tenant_id=ANOTHER_TENANT)
        own = an_entry(2, user_id=user, sync_id=sync)
        await happens(system, foreign, own)
        await client.gets("workflow.phase.2.completed")
        client.emit("authenticate", {"userId": user, "token": a_token("viewer", user=user)})
        await client.gets("authenticated", 2)

        assert [] == client.of("workflow.phase.1.completed")


async def test_who_comes_back_first_gets_what_it_missed_and_nothing_twice(
    system: LiveSystem,
) -> None:
    user, sync = str(uuid4()), str(uuid4())
    old = an_entry(1, user_id=user, sync_id=sync)
    missed = [an_entry(phase, user_id=user, sync_id=sync) for phase in (2, 3)]
    await happens(system, old)
    async with a_socket_client(system.places[0].port) as client:
        await follows(client, user, sync)
        [seen] = await client.gets("workflow.phase.1.completed")
    await happens(system, *missed)
    async with a_socket_client(system.places[1].port) as client:
        await follows(client, user, sync, lastEventId=seen["eventId"])
        await happens(system, an_entry(4, user_id=user, sync_id=sync))
        await client.gets("workflow.phase.4.completed")

        assert [] == client.of("workflow.phase.1.completed")
        for phase in (2, 3, 4):
            assert 1 == len(client.of(f"workflow.phase.{phase}.completed"))
        names = [one.name for one in client.received if one.name.startswith("workflow.phase")]
        assert sorted(names) == names
        assert 43 == client.of("sync_progress_update")[0].get("percent", 43)


async def test_when_its_process_is_killed_a_page_reconnects_and_misses_nothing(
    system: LiveSystem,
) -> None:
    place = system.places[0]
    user, sync = str(uuid4()), str(uuid4())
    async with a_socket_client(place.port) as client:
        await follows(client, user, sync)
        place.process.kill()
        await client.gets("disconnect")
        await happens(system, an_entry(user_id=user, sync_id=sync))
        await place.starts()
        await client.gets("connect", 2)
        await follows(client, user, sync)

        await client.gets("workflow.phase.1.completed")


async def test_a_page_that_takes_nothing_is_cut_off_and_no_other_waits_for_it(
    system: LiveSystem,
) -> None:
    user, sync = str(uuid4()), str(uuid4())
    place = system.places[0]
    async with (
        a_socket_client(place.port, transports=["websocket"]) as frozen,
        a_socket_client(place.port, transports=["websocket"]) as other,
    ):
        await follows(frozen, user, sync)
        await follows(other, user, sync)
        os.kill(frozen.process.pid, signal.SIGSTOP)
        stopped = time.monotonic()
        large = {**an_entry(2).result, "filler": "x" * 20_000}
        for _ in range(10):
            entries = [an_entry(2, user_id=user, sync_id=sync, result=large) for _ in range(20)]
            await system.bus.publish(*(to_message(event_of(entry)) for entry in entries))
        await other.gets("workflow.phase.2.completed", 200)
        assert await serves_clients(place.port, 2), "the other has it all before one is cut off"
        await eventually(lambda: serves_clients(place.port, 1), within_seconds=FROZEN_SECONDS + 20)
        assert time.monotonic() - stopped > FROZEN_SECONDS - 1
        assert not other.of("disconnect")
        os.kill(frozen.process.pid, signal.SIGCONT)

        await frozen.gets("disconnect")
        await frozen.gets("connect", 2)


@pytest.mark.long
async def test_who_does_not_authenticate_in_time_is_cut_off(system: LiveSystem) -> None:
    async with a_socket_client(system.places[0].port) as client:
        await client.gets("disconnect")
        await client.gets("connect", 2)


async def test_nonsense_is_answered_and_harms_no_one(
    system: LiveSystem,
) -> None:
    async with a_socket_client(system.places[0].port) as client:
        nonsense: object
        for nonsense in (None, 1, "x", [], {}, {"userId": 1}, {"userId": "x" * 300}, {"a": {}}):
            client.emit("authenticate", nonsense)
            client.emit("subscribe_sync_progress", nonsense)
            client.emit("unsubscribe_sync_progress", nonsense)
            client.emit("no_such_event", nonsense)
        answers = await client.gets("authenticated", 8)
        await client.gets("error", 16)

        assert not any(answer["success"] for answer in answers)
        await happens(system, an_entry(user_id="ann"))
        await follows(client, "ann", "sync-1")


async def test_a_credential_that_ends_ends_what_it_opened(system: LiveSystem) -> None:
    token = a_token("viewer", user="ann", exp=int(now().timestamp()) - 8)
    async with a_socket_client(system.places[0].port) as client:
        client.emit("authenticate", {"userId": "ann", "token": token})
        answers = await client.gets("authenticated", 2)
        await client.gets("disconnect")

        assert [True, False] == [answer["success"] for answer in answers]
        assert "The credential has expired" == answers[1]["error"]


async def test_the_process_stops_at_once_with_clients_connected(system: LiveSystem) -> None:
    place = system.places[1]
    async with a_socket_client(place.port) as client:
        await follows(client, "ann", "sync-1")
        code = await asyncio.to_thread(place.process.stop)
        await client.gets("disconnect")
        await place.starts()

        assert 0 == code
        await eventually(client.has("connect", 2), within_seconds=20)
