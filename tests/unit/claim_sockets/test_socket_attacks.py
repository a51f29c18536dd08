"""The Socket.IO endpoint against clients that send what no page would."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from api.access.authentication import identification
from api.access.limits.failures import Failures
from api.sockets import engine, traffic
from api.sockets.client import Client
from api.sockets.endpoint import Sockets
from api.sockets.payloads import Authenticate, BadPayload, Subscribe, read
from api.sockets.replay import missed
from api.sockets.rooms import Rooms, addressed
from api.sockets.traffic import AT_ONCE_MAX, Traffic
from blocks.adapters.sqlite.record_store import SqliteRecordStore
from blocks.claims.log import event_of
from blocks.ports import RecordStore
from blocks.settings import load_settings
from tests.support.api.credentials import ENVIRONMENT, a_token
from tests.support.api.raw_socket import RawSocket, raw_socket
from tests.support.claims.phase_entries import an_entry
from tests.support.factories import A_TENANT
from tests.support.waiting import eventually
from tests.unit.claim_sockets.test_socket_clients import RememberingWire, a_client, a_pass

SETTINGS = load_settings({**ENVIRONMENT, "LIVE_CLIENTS_PER_TENANT": "1"})
ANN = a_token("viewer", user="ann")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[RecordStore]:
    async with SqliteRecordStore(tmp_path / "records.db") as store:
        yield store


@pytest.fixture
async def sockets(store: RecordStore) -> AsyncIterator[Sockets]:
    endpoint = Sockets(SETTINGS, store, identification(SETTINGS.auth, store), Failures(60))
    yield endpoint
    await endpoint.close()


async def is_cut(socket: RawSocket) -> None:
    async def look() -> bool:
        return socket.is_cut

    await eventually(look)


async def authenticates(socket: RawSocket, token: str = ANN) -> str:
    """What it is answered."""
    socket.emits("authenticate", {"userId": "ann", "token": token})
    return await socket.gets('"authenticated"')


@pytest.mark.parametrize("packet", ['4599-["authenticate",{"_placeholder":true,"num":0}]', b"\x00"])
async def test_a_client_that_sends_attachments_is_cut_off_before_they_are_kept(
    sockets: Sockets, packet: str | bytes
) -> None:
    async with raw_socket(sockets) as socket:
        socket.sends(packet)

        await is_cut(socket)
    assert {} == sockets._engine._server._binary_packet


@pytest.mark.parametrize(
    "packet", ['42["unknown",{}]', '427["unsubscribe_sync_progress",{}]', "40/nowhere,", "40"]
)
async def test_a_flood_of_anything_ends_its_connection_and_no_other(
    sockets: Sockets, packet: str
) -> None:
    async with raw_socket(sockets) as page, raw_socket(sockets) as attacker:
        for _ in range(AT_ONCE_MAX + 20):
            attacker.sends(packet)
        await is_cut(attacker)

        assert '"success":true' in await authenticates(page)
        assert not page.is_cut


async def test_an_address_is_let_in_again_when_its_clients_have_authenticated(
    store: RecordStore,
) -> None:
    settings = load_settings({**ENVIRONMENT, "CONNECTIONS_PER_ADDRESS": "1"})
    endpoint = Sockets(settings, store, identification(settings.auth, store), Failures(60))
    async with raw_socket(endpoint) as page:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2), raw_socket(endpoint):
                raise AssertionError("one too many is connected")
        assert 1 == len(endpoint._engine.connections.open)

        assert '"success":true' in await authenticates(page)
        async with raw_socket(endpoint) as another:
            assert not another.is_cut
    await endpoint.close()


async def test_a_client_that_reads_no_answers_is_cut_off(
    sockets: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "QUEUED_MAX", 10)
    async with raw_socket(sockets, reads=False) as socket:
        for number in range(50):
            socket.emits("unsubscribe_sync_progress", {"syncId": "s"}, ack=number)

        async def no_one_is_connected() -> bool:
            return not sockets._engine.connections.open

        await eventually(no_one_is_connected)


def test_a_page_that_goes_on_for_hours_is_within_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(traffic, "monotonic", lambda: now[0])
    page = Traffic()

    for _ in range(1_000):
        now[0] += 0.2
        assert page.takes()


async def test_who_leaves_while_its_credential_is_checked_keeps_no_place(
    store: RecordStore,
) -> None:
    checking, checked = asyncio.Event(), asyncio.Event()
    identify = identification(SETTINGS.auth, store)

    async def slow(*asked: Any) -> Any:
        checking.set()
        await checked.wait()
        return await identify(*asked)

    endpoint = Sockets(SETTINGS, store, slow, Failures(60))
    async with raw_socket(endpoint) as gone:
        gone.emits("authenticate", {"userId": "ann", "token": ANN})
        await checking.wait()
        [id] = endpoint._engine.connections.open
        await endpoint._engine.cut(id)
        checked.set()
    async with raw_socket(endpoint) as next_one:
        assert '"success":true' in await authenticates(next_one)
    await endpoint.close()


async def test_what_one_client_sends_at_once_is_done_one_after_the_other(
    store: RecordStore,
) -> None:
    identify, at_once, most = identification(SETTINGS.auth, store), 0, 0

    async def counting(*asked: Any) -> Any:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0)
        at_once -= 1
        return await identify(*asked)

    endpoint = Sockets(SETTINGS, store, counting, Failures(60))
    async with raw_socket(endpoint):
        [sid] = endpoint._clients
        authenticate = endpoint._engine._server.handlers["/"]["authenticate"]
        asked = {"userId": "ann", "token": ANN}
        answers = await asyncio.gather(*(authenticate(sid, asked) for _ in range(5)))

    assert ([{"success": True}] * 5, 1) == (answers, most)
    await endpoint.close()


async def test_a_client_that_cannot_be_sent_to_is_cut_off() -> None:
    class Broken(RememberingWire):
        async def send(self, name: str, data: Any) -> None:
            raise ValueError("no JSON")

    wire = Broken()
    client: Client = a_client(wire)
    client.say("authenticated", {"success": True})
    await client.pump()

    assert wire.is_cut


async def test_replays_of_one_room_do_not_add_up() -> None:
    rooms, client = Rooms(10), a_client()
    room = rooms.admit(client, a_pass())
    for _ in range(5):
        frames = [
            (name, data, id)
            for where, name, data, id in addressed(event_of(an_entry()))
            if where == room
        ]
        client.hold()
        client.replayed(room, frames)

    assert 1 == len(client._replayed)


@pytest.mark.parametrize("text", [" ", "a\nb", "\x00", "\ud800", "\u202e", "x" * 201])
def test_an_id_that_no_route_would_take_is_refused(text: str) -> None:
    with pytest.raises(BadPayload):
        read(({"syncId": text},), Subscribe)
    with pytest.raises(BadPayload):
        read(({"userId": "ann", "lastEventId": text},), Authenticate)


def test_blanks_around_an_id_do_not_count() -> None:
    assert "s-1" == read(({"syncId": " s-1 "},), Subscribe).sync_id


@pytest.mark.parametrize("name", ["../ann", "user/../*", "*", "sync-1' OR 1=1 --", "😀", "a" * 200])
async def test_the_name_of_a_sync_is_only_a_name(sockets: Sockets, name: str) -> None:
    async with raw_socket(sockets) as socket:
        await authenticates(socket)
        socket.emits("subscribe_sync_progress", {"syncId": name})

        assert '"percent":0' in await socket.gets("sync_progress_update")
        socket.emits("subscribe_sync_progress", {"syncId": name, "userId": "bob"})
        assert "NotThisUser" not in await socket.gets('"error"')


async def test_a_last_event_that_is_no_id_of_ours_is_not_looked_up(store: RecordStore) -> None:
    class NoReading:
        query = store.query

    asked = Authenticate(user_id="ann", last_event_id="../../docs/another")

    assert [] == await missed(NoReading(), A_TENANT, "ann", asked)  # type: ignore[arg-type] # it may only query
