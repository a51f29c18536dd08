"""Rooms, replay and slow clients of the Socket.IO endpoint, without a network."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from api.live.errors import TooManyOfTenant
from api.sockets import metrics
from api.sockets.admission import Pass
from api.sockets.client import WAITING_MAX, Client
from api.sockets.connections import (
    TOO_MANY,
    TOO_MANY_OF_ADDRESS,
    TOO_MANY_UNKNOWN,
    Connections,
)
from api.sockets.payloads import Authenticate, BadPayload, Subscribe, read
from api.sockets.replay import missed, present_progress
from api.sockets.rooms import Rooms, addressed, sync_room
from api.sockets.updates import Updates
from blocks.adapters.sqlite.record_store import SqliteRecordStore
from blocks.claims.log import event_of
from blocks.contracts.reading.moments import EARLIEST, LATEST
from blocks.contracts.records.claims import PhaseLogEntry
from blocks.messages import to_message
from blocks.ports import RecordStore
from blocks.processes.bounded_http import Limits, OpenConnections
from tests.support.claims.phase_entries import an_entry
from tests.support.factories import A_TENANT, ANOTHER_TENANT, now
from tests.support.stores import put_unreadable
from tests.support.waiting import eventually


class RememberingWire:
    """A client's end of the connection; it may take nothing."""

    def __init__(self, takes: bool = True) -> None:
        self.sent: list[tuple[str, Any]] = []
        self.is_cut = False
        self._takes = takes

    async def send(self, name: str, data: Any) -> None:
        self.sent.append((name, data))

    async def drained(self) -> None:
        if not self._takes:
            raise TimeoutError

    async def cut(self) -> None:
        self.is_cut = True

    @property
    def event_ids(self) -> list[str]:
        """Each once, in order."""
        return list(dict.fromkeys(data["eventId"] for _, data in self.sent if "eventId" in data))


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[RecordStore]:
    async with SqliteRecordStore(tmp_path / "records.db") as store:
        yield store


def a_client(wire: RememberingWire | None = None) -> Client:
    return Client(wire or RememberingWire(), {"headers": [], "client": None}, "connection")


def a_pass(user: str = "ann", tenant_id: str = A_TENANT) -> Pass:
    return Pass(tenant_id, user, "token")


async def sent_to(client: Client, wire: RememberingWire) -> list[str]:
    """The ids of the events that it is sent, once it ends."""
    client.end("over")
    await client.pump()
    return wire.event_ids


async def test_an_event_goes_to_its_user_and_to_no_other_of_any_tenant() -> None:
    rooms, entry = Rooms(10), an_entry()
    wires = [RememberingWire() for _ in range(3)]
    clients = [a_client(wire) for wire in wires]
    for client, whose in zip(
        clients, (a_pass(), a_pass("bob"), a_pass(tenant_id=ANOTHER_TENANT)), strict=True
    ):
        rooms.admit(client, whose)
    rooms.send(event_of(entry))

    received = [await sent_to(client, wire) for client, wire in zip(clients, wires, strict=True)]
    assert [[entry.id], [], []] == received


async def test_a_page_that_follows_another_name_of_the_sync_gets_that_name() -> None:
    entry = an_entry(5, other_sync_ids=["claim_claim-1"])

    stated = {
        room: data["syncId"]
        for room, name, data, _ in addressed(event_of(entry))
        if name == "sync_progress_update" and room[0] == "sync"
    }

    assert {
        sync_room(A_TENANT, "ann", "sync-1"): "sync-1",
        sync_room(A_TENANT, "ann", "claim_claim-1"): "claim_claim-1",
    } == stated


async def test_what_happens_during_a_replay_comes_after_it_and_only_once() -> None:
    rooms, wire = Rooms(10), RememberingWire()
    client = a_client(wire)
    room = rooms.admit(client, a_pass())
    old, both, new = an_entry(1), an_entry(2), an_entry(3)
    client.hold()
    rooms.send(event_of(both))
    rooms.send(event_of(new))
    replay = [
        (name, data, id)
        for entry in (old, both)
        for where, name, data, id in addressed(event_of(entry))
        if where == room
    ]
    client.replayed(room, replay)
    rooms.send(event_of(both))

    assert [old.id, both.id, new.id] == await sent_to(client, wire)
    both_times = [name for name, data in wire.sent if data["eventId"] == both.id]
    assert len(set(both_times)) == len(both_times)


async def test_a_client_for_which_too_much_waits_is_cut_off_and_keeps_nothing() -> None:
    rooms, wire = Rooms(10), RememberingWire()
    client = a_client(wire)
    rooms.admit(client, a_pass())
    for _ in range(WAITING_MAX):
        rooms.send(event_of(an_entry()))
    await client.pump()

    assert (True, []) == (wire.is_cut, wire.sent)


async def test_a_client_that_takes_nothing_is_cut_off() -> None:
    wire = RememberingWire(takes=False)
    client = a_client(wire)
    client.say("authenticated", {"success": True})
    await client.pump()

    assert wire.is_cut


async def test_a_tenant_has_only_so_many_clients_and_a_leaving_one_makes_room() -> None:
    rooms = Rooms(1)
    first, second = a_client(), a_client()
    rooms.admit(first, a_pass())
    rooms.admit(first, a_pass("bob"))
    rooms.admit(a_client(), a_pass(tenant_id=ANOTHER_TENANT))
    with pytest.raises(TooManyOfTenant):
        rooms.admit(second, a_pass())
    rooms.dismiss(first)

    rooms.admit(second, a_pass())


async def test_after_a_gap_followers_get_from_the_log_what_the_bus_did_not_bring(
    store: RecordStore,
) -> None:
    rooms, wire = Rooms(10), RememberingWire()
    client = a_client(wire)
    rooms.admit(client, a_pass())
    updates = Updates(store, rooms, overlap_seconds=30)
    heard, unheard, foreign = an_entry(1), an_entry(2), an_entry(3, user_id="bob")
    for entry in (heard, unheard, foreign):
        await store.create(A_TENANT, entry)
    updates.on_event(to_message(event_of(heard)))
    updates.on_gap()
    pumping = asyncio.create_task(client.pump())

    async def has_both() -> bool:
        return len(wire.event_ids) == 2

    await eventually(has_both)
    client.end("over")
    await pumping
    assert [heard.id, unheard.id] == wire.event_ids


async def test_after_a_gap_a_damaged_line_of_one_user_keeps_nothing_from_the_others(
    store: RecordStore,
) -> None:
    rooms, wire = Rooms(10), RememberingWire()
    for client, user in ((a_client(), "ann"), (bob := a_client(wire), "bob")):
        rooms.admit(client, a_pass(user))
    damaged = {"userId": "ann", "mark": "completed", "created_at": now().isoformat()}
    await put_unreadable(store, PhaseLogEntry, A_TENANT, **damaged)
    missed_by_bob = an_entry(user_id="bob")
    await store.create(A_TENANT, missed_by_bob)
    updates = Updates(store, rooms, overlap_seconds=30)
    pumping = asyncio.create_task(bob.pump())

    updates.on_gap()

    async def has_one() -> bool:
        return len(wire.event_ids) == 1

    await eventually(has_one)
    bob.end("over")
    await pumping
    assert [missed_by_bob.id] == wire.event_ids


async def test_an_event_that_is_published_twice_is_sent_once() -> None:
    rooms, wire, entry = Rooms(10), RememberingWire(), an_entry()
    client = a_client(wire)
    rooms.admit(client, a_pass())
    updates = Updates(None, rooms, 30)  # type: ignore[arg-type] # it reads no records here
    for _ in range(2):
        updates.on_event(to_message(event_of(entry)))
    await sent_to(client, wire)

    names = [name for name, _ in wire.sent]
    assert len(set(names)) == len(names)


async def test_who_states_the_last_event_gets_those_behind_it(store: RecordStore) -> None:
    entries = [
        an_entry(phase, created_at=now() - timedelta(hours=5 - phase)) for phase in range(1, 5)
    ]
    for entry in entries:
        await store.create(A_TENANT, entry)
    asked = Authenticate(user_id="ann", last_event_id=entries[1].id)

    found = await missed(store, A_TENANT, "ann", asked)

    assert [entry.id for entry in entries[2:]] == [event.id for event in found]


@pytest.mark.parametrize("as_text", [True, False])
async def test_who_states_a_moment_gets_what_followed(store: RecordStore, as_text: bool) -> None:
    moment = now() - timedelta(hours=1)
    before = an_entry(1, created_at=moment - timedelta(minutes=1))
    after = an_entry(2, created_at=moment + timedelta(minutes=1))
    for entry in (before, after):
        await store.create(A_TENANT, entry)
    stated = moment.isoformat() if as_text else int(moment.timestamp() * 1000)
    asked = read(({"userId": "ann", "since": stated},), Authenticate)

    assert [after.id] == [event.id for event in await missed(store, A_TENANT, "ann", asked)]


async def test_who_states_nothing_gets_the_last_minutes_and_no_ignored_triggers(
    store: RecordStore,
) -> None:
    old = an_entry(1, created_at=now() - timedelta(hours=1))
    recent, ignored = an_entry(2), an_entry(7, "ignored")
    for entry in (old, recent, ignored):
        await store.create(A_TENANT, entry)

    found = await missed(store, A_TENANT, "ann", Authenticate(user_id="ann"))

    assert [recent.id] == [event.id for event in found]


@pytest.mark.parametrize(
    ("entries", "percent", "status"),
    [
        ([], 0, "idle"),
        ([(1, "started")], 0, "running"),
        ([(1, "started"), (1, "completed"), (2, "started")], 14, "running"),
        ([(1, "completed"), (2, "failed")], 14, "failed"),
        ([(5, "completed"), (7, "completed"), (5, "completed")], 100, "completed"),
    ],
)
async def test_the_present_progress_is_that_of_the_furthest_phase_in_the_log(
    store: RecordStore, entries: list[tuple[int, str]], percent: int, status: str
) -> None:
    begin = now() - timedelta(days=1)
    for minutes, (phase, mark) in enumerate(entries):
        moment = begin + timedelta(minutes=minutes)
        await store.create(A_TENANT, an_entry(phase, mark, created_at=moment))
    await store.create(A_TENANT, an_entry(7, user_id="bob"))

    progress = await present_progress(store, A_TENANT, "ann", "sync-1")

    assert (percent, percent, status) == (
        progress["percent"],
        progress["progress"],
        progress["status"],
    )


async def test_a_claim_that_joined_a_sync_shows_that_syncs_progress(store: RecordStore) -> None:
    entry: PhaseLogEntry = an_entry(5, other_sync_ids=["claim_claim-1"])
    await store.create(A_TENANT, entry)

    progress = await present_progress(store, A_TENANT, "ann", "claim_claim-1")

    assert ("claim_claim-1", 71) == (progress["syncId"], progress["percent"])


@pytest.mark.parametrize(
    "stated",
    [
        (),
        (None,),
        ("x",),
        ({},),
        ({"userId": ""},),
        ({"userId": 1},),
        ({"userId": "ann", "token": 5},),
        ({"userId": "ann", "since": "yesterday"},),
        ({"userId": "x" * 201},),
    ],
)
def test_nonsense_is_refused_with_a_reason(stated: tuple[Any, ...]) -> None:
    with pytest.raises(BadPayload, match="not valid"):
        read(stated, Authenticate)


@pytest.mark.parametrize("since", [1e300, -1e300, float("inf"), float("nan"), 10**400])
def test_a_number_that_is_no_moment_is_refused(since: float) -> None:
    with pytest.raises(BadPayload, match="not valid"):
        read(({"syncId": "s", "since": since},), Subscribe)


@pytest.mark.parametrize(
    ("since", "limit"),
    [
        (-62_135_596_800_000, EARLIEST),
        ("0001-01-01T00:00:00+05:00", EARLIEST),
        (253_402_300_799_000, LATEST - timedelta.resolution),
        ("9999-12-31T23:59:59-05:00", LATEST - timedelta.resolution),
    ],
)
def test_a_moment_beyond_the_limits_is_moved_to_the_limit(
    since: float | str, limit: datetime
) -> None:
    assert limit == read(({"syncId": "s", "since": since},), Subscribe).since_moment


async def test_a_connection_that_does_not_authenticate_in_time_is_cut_and_others_stay() -> None:
    cut: list[str] = []

    async def note(id: str) -> None:
        cut.append(id)

    async def is_cut() -> bool:
        return bool(cut)

    connections = Connections(2, 0.05, note, of_an_address(2))
    assert connections.enter("known", HERE) is None
    connections.has_authenticated("known")
    assert connections.enter("quiet", HERE) is None
    assert TOO_MANY == connections.enter("one too many", HERE)
    await eventually(is_cut)

    assert ["quiet"] == cut
    connections.leave("quiet")
    connections.leave("known")
    assert connections.enter("later", HERE) is None
    connections.leave("later")


HERE, THERE = "10.0.0.1", "10.0.0.2"


def of_an_address(limit: int, trusted: tuple[str, ...] = ()) -> OpenConnections:
    return OpenConnections(
        Limits(
            connections_max=100,
            connections_per_address=limit,
            head_seconds=1,
            body_seconds=1,
            trusted=trusted,
        )
    )


async def never(id: str) -> None:
    raise AssertionError(f"{id} is cut")


async def test_an_address_has_so_many_connections_that_have_not_authenticated() -> None:
    refused = metrics.REFUSED.labels("address")._value.get()
    connections = Connections(9, 60, never, of_an_address(2))
    assert [None, None] == [connections.enter(id, HERE) for id in "ab"]

    assert TOO_MANY_OF_ADDRESS == connections.enter("c", HERE)
    assert connections.enter("d", THERE) is None
    assert refused + 1 == metrics.REFUSED.labels("address")._value.get()

    connections.has_authenticated("a")
    connections.has_authenticated("a")
    assert connections.enter("e", HERE) is None
    assert TOO_MANY_OF_ADDRESS == connections.enter("f", HERE)
    connections.leave("b")
    connections.leave("a")
    assert connections.enter("g", HERE) is None
    assert TOO_MANY_OF_ADDRESS == connections.enter("h", HERE)
    for id in connections.open:
        connections.leave(id)


async def test_who_has_not_authenticated_takes_no_more_than_half_of_the_room() -> None:
    refused = metrics.REFUSED.labels("unauthenticated")._value.get()
    connections = Connections(4, 60, never, of_an_address(1))
    assert [None, None] == [connections.enter(id, f"10.0.1.{id}") for id in "12"]

    assert TOO_MANY_UNKNOWN == connections.enter("3", "10.0.1.3")
    assert refused + 1 == metrics.REFUSED.labels("unauthenticated")._value.get()

    connections.has_authenticated("1")
    assert connections.enter("4", "10.0.1.4") is None
    connections.leave("2")
    assert connections.enter("5", "10.0.1.5") is None
    assert TOO_MANY_UNKNOWN == connections.enter("6", "10.0.1.6")
    connections.has_authenticated("4")
    connections.has_authenticated("5")
    assert connections.enter("7", "10.0.1.7") is None
    assert TOO_MANY == connections.enter("8", "10.0.1.8")
    for id in connections.open:
        connections.leave(id)


async def test_a_trusted_proxy_is_not_counted_by_address() -> None:
    connections = Connections(9, 60, never, of_an_address(1, trusted=("10.0.0.0/24",)))

    assert [None] * 3 == [connections.enter(id, HERE) for id in "abc"]
    for id in connections.open:
        connections.leave(id)
