"""The live view over the network: API processes of their own, on both buses, and clients that come,
freeze and go.
"""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import httpx
import pytest
import websockets.exceptions
from websockets.asyncio.client import connect

from blocks.security import api_keys
from tests.support.api.credentials import a_token, as_user
from tests.support.api.live import a_step_event, step_events
from tests.support.factories import A_TENANT, ANOTHER_TENANT, now
from tests.support.servers.rabbitmq import RabbitMQNode
from tests.support.system.live_system import (
    FOLLOW,
    PATH,
    Client,
    LiveSystem,
    Place,
    follow_socket,
    follow_stream,
    live_system,
)
from tests.support.system.orchestra import on_rabbitmq
from tests.support.waiting import eventually

SHORT_TIMES = {
    "LIVE_HEARTBEAT_SECONDS": "0.5",
    "LIVE_OVERLAP_SECONDS": "1",
    "LIVE_FROZEN_SECONDS": "2",
}
Follow = Callable[..., Awaitable[object]]

OVER = pytest.mark.parametrize("transport", FOLLOW)
ON_EITHER = pytest.mark.parametrize("system", ["sqlite", "rabbitmq"], indirect=True)
ON_SQLITE = pytest.mark.parametrize("system", ["sqlite"], indirect=True)
ON_RABBITMQ = pytest.mark.parametrize("system", ["rabbitmq"], indirect=True)


@pytest.fixture(scope="module")
async def system(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[LiveSystem]:
    """Two API processes."""
    folder = tmp_path_factory.mktemp("live")
    broker = {}
    if request.param == "rabbitmq":
        broker = on_rabbitmq(request.getfixturevalue("rabbitmq"), str(uuid4()))
    async with live_system(folder, 2, **SHORT_TIMES, **broker) as system:
        yield system


@asynccontextmanager
async def following(*works: object) -> AsyncIterator[list["asyncio.Task[object]"]]:
    """They go on while the context lasts."""
    tasks = [asyncio.ensure_future(work) for work in works]  # type: ignore[call-overload]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def opened(*clients: Client) -> None:
    """Each has received where it stands."""
    for client in clients:
        await eventually(client.stands)


@ON_EITHER
@OVER
async def test_a_client_receives_its_tenants_events_in_order_from_any_process_and_no_others(
    system: LiveSystem, transport: str
) -> None:
    mine, too, other = Client(), Client(), Client()
    follow, (one, another) = FOLLOW[transport], system.places
    works = [
        follow(mine, one.port),
        follow(too, another.port),
        follow(other, one.port, tenant_id=ANOTHER_TENANT),
    ]
    async with following(*works):
        await opened(mine, too, other)
        messages, foreign = step_events(100), step_events(100, tenant_id=ANOTHER_TENANT)
        await system.bus.publish(
            *(message for pair in zip(messages, foreign, strict=True) for message in pair)
        )
        for client, expected in ((mine, messages), (too, messages), (other, foreign)):
            await eventually(client.has_events(expected))

    expected_ids = [message.id for message in messages]
    assert expected_ids == mine.event_ids == too.event_ids
    assert [message.id for message in foreign] == other.event_ids
    assert "resync" not in mine.names + too.names + other.names


@ON_EITHER
async def test_when_its_process_is_killed_a_client_goes_on_at_another_and_misses_nothing(
    system: LiveSystem,
) -> None:
    dying, living = system.places
    await eventually(partial(knows_as_much, system, living, dying))
    clients = [(Client(), follow) for follow in (*FOLLOW.values(), *FOLLOW.values())]
    published: list[str] = []

    async def publish() -> None:
        while True:
            messages = step_events(5)
            await system.bus.publish(*messages)
            published.extend(message.id for message in messages)
            await asyncio.sleep(0.01)

    async def follow_on(client: Client, follow: Follow) -> None:
        with suppress(httpx.TransportError, OSError):
            await follow(client, dying.port)
        await follow(client, living.port)

    async def all_have(count: int) -> bool:
        wanted = set(published[:count])
        return len(published) >= count and all(
            wanted <= set(client.event_ids) for client, _ in clients
        )

    async with following(*(follow_on(*client) for client in clients)):
        await opened(*(client for client, _ in clients))
        async with following(publish()):
            await eventually(partial(all_have, 100), within_seconds=30)
            dying.process.kill()
            await eventually(partial(all_have, len(published) + 100), within_seconds=30)
        await eventually(partial(all_have, len(published)))

    for client, _ in clients:
        # It may also have received again what was published before it came.
        assert published == [id for id in client.event_ids if id in published]
        assert "resync" not in client.names


async def knows_as_much(system: LiveSystem, one: Place, another: Place) -> bool:
    """It has been there for long enough, and received enough, to answer who was at the other one
    until now.
    """
    await system.bus.publish(*step_events(1))
    here = (await another.received_at_once())[-1].id
    return "resync" not in [message.event for message in await one.received_at_once(here)]


@ON_EITHER
async def test_a_process_that_was_started_again_says_that_it_does_not_know_what_was_before(
    system: LiveSystem,
) -> None:
    clients, (restarted, other) = [Client(), Client()], system.places
    async with following(
        *(
            follow(client, other.port)
            for client, follow in zip(clients, FOLLOW.values(), strict=True)
        )
    ):
        await opened(*clients)
    restarted.process.kill()
    await restarted.starts()

    async with following(
        *(
            follow(client, restarted.port)
            for client, follow in zip(clients, FOLLOW.values(), strict=True)
        )
    ):
        for client in clients:
            await eventually(client.has_received("resync"))
        await system.bus.publish(after := a_step_event())
        for client in clients:
            await eventually(client.has_events([after]))

    assert [[after.id], [after.id]] == [client.event_ids for client in clients]


@ON_SQLITE
async def test_a_client_that_takes_nothing_is_cut_off_and_delays_no_other(
    system: LiveSystem,
) -> None:
    """It opens the stream, then reads no more: its system goes on acknowledging, with a window of
    nothing.
    """
    place, quick = system.places[0], Client()
    frozen = [a_frozen_client(place.port) for _ in range(20)]
    memory = place.process.memory_mb
    try:
        async with following(follow_stream(quick, place.port)):
            await opened(quick)
            delays = []
            for _ in range(60):
                messages = step_events(20, result={"text": "x" * 10_000})
                began = time.monotonic()
                await system.bus.publish(*messages)
                await eventually(quick.has_events(messages), every_seconds=0.01)
                delays.append(time.monotonic() - began)

            async def alone() -> bool:
                return 1 == await clients_of(place.port)

            await eventually(alone, within_seconds=15)
    finally:
        for client in frozen:
            client.close()

    assert "resync" not in quick.names
    assert max(delays) < 5
    assert place.process.memory_mb - memory < 120


def a_frozen_client(port: int) -> socket.socket:
    """Has asked for the stream and never reads; its buffer is small."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", port))
    lines = [
        f"GET {PATH} HTTP/1.1",
        "Host: api",
        *(f"{k}: {v}" for k, v in as_user(a_token("viewer")).items()),
    ]
    client.sendall("\r\n".join([*lines, "", ""]).encode())
    return client


async def clients_of(port: int) -> int:
    async with httpx.AsyncClient() as client:
        text = (await client.get(f"http://127.0.0.1:{port}/metrics")).text
    [line] = [
        line for line in text.splitlines() if line.startswith("workflow_orchestrator_live_clients ")
    ]
    return int(float(line.split()[1]))


@ON_SQLITE
@OVER
async def test_a_stream_ends_with_its_token(system: LiveSystem, transport: str) -> None:
    client = Client()
    # ten seconds are granted to other clocks
    nearly_over = a_token("viewer", exp=now() - timedelta(seconds=8))

    async with asyncio.timeout(15):
        closed = await FOLLOW[transport](client, system.places[0].port, as_user(nearly_over))

    end = client.received[-1]
    assert ("end", "UNAUTHORIZED", "The credential has expired", 401) == (
        end.event,
        end.data["code"],
        end.data["message"],
        end.data["status"],
    )
    assert closed == (None if transport == "sse" else (4401, "The credential has expired"))


@ON_SQLITE
async def test_a_stream_ends_when_its_key_is_revoked(system: LiveSystem) -> None:
    client = Client()
    key, record = await api_keys.create_key(
        system.store, A_TENANT, f"viewer-{uuid4()}", ["viewer"], lives=timedelta(days=1)
    )

    async with following(follow_stream(client, system.places[0].port, as_user(key))):
        await opened(client)
        await api_keys.revoke_key(system.store, A_TENANT, record.prefix)
        await eventually(client.has_received("end"))

    assert "UNAUTHORIZED" == client.received[-1].data["code"]


@ON_SQLITE
async def test_who_may_not_open_a_websocket_is_answered_as_over_http(system: LiveSystem) -> None:
    with pytest.raises(websockets.exceptions.InvalidStatus) as refused:
        await follow_socket(Client(), system.places[0].port, {"X-Tenant-ID": A_TENANT})

    response = refused.value.response
    assert (401, "UNAUTHORIZED") == (
        response.status_code,
        json.loads(response.body or b"")["error"]["code"],
    )


@ON_SQLITE
async def test_a_page_opens_a_websocket_with_its_credential_among_the_subprotocols(
    system: LiveSystem,
) -> None:
    stated = ["workflow-orchestrator.v1", f"bearer.{a_token('viewer')}", f"tenant.{A_TENANT}"]
    address = f"127.0.0.1:{system.places[0].port}"
    plain: Any = {"subprotocols": stated, "origin": f"http://{address}"}

    async with connect(f"ws://{address}{PATH}", **plain) as socket:
        first = json.loads(await socket.recv())

    assert ("workflow-orchestrator.v1", "heartbeat") == (socket.subprotocol, first["event"])


@ON_SQLITE
async def test_a_client_that_talks_is_closed(system: LiveSystem) -> None:
    address = f"ws://127.0.0.1:{system.places[0].port}{PATH}"
    async with connect(address, additional_headers=as_user(a_token("viewer"))) as socket:
        with suppress(websockets.exceptions.ConnectionClosed):
            for _ in range(10_000):
                await socket.send("x" * 500)
                await asyncio.sleep(0)

    assert 1008 == socket.close_code


@ON_RABBITMQ
@pytest.mark.long
async def test_while_the_broker_is_away_streams_stay_up_and_are_asked_to_read_again(
    system: LiveSystem, request: pytest.FixtureRequest
) -> None:
    node: RabbitMQNode = request.getfixturevalue("rabbitmq")
    client = Client()
    async with following(follow_stream(client, system.places[0].port)):
        await opened(client)
        await asyncio.to_thread(node.ctl, "close_all_connections", "test")
        await eventually(client.has_received("resync"), within_seconds=30)

        async def receives_again() -> bool:
            message = a_step_event()
            with suppress(Exception):
                await system.bus.publish(message)
                await eventually(client.has_events([message]), within_seconds=2)
                return True
            return False

        await eventually(receives_again, within_seconds=30)

    assert 1 == client.names.count("resync")


@ON_SQLITE
async def test_a_process_that_is_stopped_ends_its_streams_and_is_gone_at_once(
    system: LiveSystem,
) -> None:
    place, clients = system.places[0], [Client(), Client()]
    works = [follow_stream(clients[0], place.port), follow_socket(clients[1], place.port)]
    async with following(*works) as tasks:
        await opened(*clients)
        began = time.monotonic()
        code = await asyncio.to_thread(place.process.stop)
        took = time.monotonic() - began
        await asyncio.gather(*tasks, return_exceptions=True)

    assert (0, "end", "STOPPING") == (
        code,
        clients[0].received[-1].event,
        clients[0].received[-1].data["code"],
    )
    assert took < 8
