"""Dead letters as records: kept once, looked at, edited, replayed under the same id, discarded,
forgotten.
"""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from api.dead_letters.sweep import WAITING, DeadLetterSweep
from blocks.adapters.sqlite.event_bus import SqliteEventBus
from blocks.clock import utc_now
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.records.dead_letters import DeadLetterBody, DeadLetterRecord, Who
from blocks.contracts.rejections import Rejected
from blocks.dead_letters import letters as dead_letters
from blocks.dead_letters.bulk_replays import schedule_many
from blocks.dead_letters.filters import LetterFilter
from blocks.ports import (
    Message,
    NotFound,
    Query,
    Queue,
    RecordStore,
    Stale,
    Stored,
    Unavailable,
    Unroutable,
)
from tests.support.factories import A_TENANT, ANOTHER_TENANT, a_dead_letter, now
from tests.support.stores import Meanwhile, put_unreadable

ANN = Who("ann", "cli")
QUEUE = Queue(name="orders", bindings=("order.*",))


@pytest.fixture
async def bus(tmp_path: Path) -> AsyncIterator[SqliteEventBus]:
    async with SqliteEventBus(tmp_path / "bus.db") as bus:
        await bus.declare(QUEUE)
        yield bus


async def kept(store: RecordStore, **changes: Any) -> Stored[DeadLetterRecord]:
    return await dead_letters.keep(store, QUEUE.name, a_dead_letter(**changes))


def of_tenant(tenant_id: object, **more: object) -> bytes:
    """An event that would be accepted if the tenant was one."""
    event = {
        "id": "e-1",
        "type": "integration.opportunity.updated",
        "data": {"opportunityId": "o-1"},
    }
    return msgspec.json.encode({**event, "tenantId": tenant_id, **more})


# --- kept -----------------------------------------------------------------------------------------


async def test_a_dead_letter_is_a_record_of_the_tenant_its_body_names(store: RecordStore) -> None:
    message = a_dead_letter(code="schema-invalid", reason="no data", attempts=1)

    stored = await dead_letters.keep(store, QUEUE.name, message)

    letter = (await dead_letters.read(store, A_TENANT, stored.record.id)).record
    assert (message.id, "orders", "schema-invalid", "no data", 1, 1, "waiting") == (
        letter.message_id,
        letter.queue,
        letter.code,
        letter.reason,
        letter.attempts,
        letter.times,
        letter.status,
    )
    assert message.body == dead_letters.content_of(await dead_letters.read_body(store, letter))
    assert {"tenantId": "a-tenant"} == letter.headers


async def test_the_same_letter_collected_twice_is_one(store: RecordStore) -> None:
    message = a_dead_letter()

    first = await dead_letters.keep(store, QUEUE.name, message)
    again = await dead_letters.keep(store, QUEUE.name, message)

    assert first == again


async def kept_and_damaged(store: RecordStore, message: Message) -> str:
    """The id of the message's letter, whose record cannot be read."""
    kept = await dead_letters.keep(store, QUEUE.name, message)
    return await put_unreadable(store, DeadLetterRecord, A_TENANT, id=kept.record.id)


async def test_what_comes_back_to_a_letter_that_cannot_be_read_is_a_letter_of_its_own(
    store: RecordStore,
) -> None:
    replayed = a_dead_letter()
    damaged = await kept_and_damaged(store, replayed)
    headers = {**replayed.headers, dead_letters.LETTER_ID: damaged}

    stored = await dead_letters.keep(store, QUEUE.name, replace(replayed, headers=headers))

    assert ("waiting", 1) == (stored.record.status, stored.record.times)


async def test_a_letter_whose_record_cannot_be_read_is_kept_beside_it_once(
    store: RecordStore,
) -> None:
    message = a_dead_letter()
    damaged = await kept_and_damaged(store, message)

    beside = await dead_letters.keep(store, QUEUE.name, message)
    again = await dead_letters.keep(store, QUEUE.name, message)

    assert beside == again
    assert damaged != beside.record.id
    assert message.body == dead_letters.content_of(
        await dead_letters.read_body(store, beside.record)
    )


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\x00 no text",
        b"{not json",
        b"[" * 10_000,
        of_tenant("acme"),
        of_tenant(5),
        of_tenant(None),
    ],
)
async def test_what_names_no_tenant_belongs_to_the_platform_byte_by_byte(
    store: RecordStore, body: bytes
) -> None:
    stored = await kept(store, body=body)

    assert SYSTEM_TENANT == stored.record.tenant_id
    assert body == dead_letters.content_of(await dead_letters.read_body(store, stored.record))


async def test_the_tenant_may_stand_in_the_data_and_has_one_spelling(store: RecordStore) -> None:
    stored = await kept(store, body=of_tenant("", data={"tenantId": ANOTHER_TENANT.upper()}))

    assert ANOTHER_TENANT == stored.record.tenant_id


async def test_two_bodies_under_one_message_id_are_two_letters(store: RecordStore) -> None:
    one, other = (
        await kept(store, id="m-1", body=b"one"),
        await kept(store, id="m-1", body=b"other"),
    )

    assert one.record.id != other.record.id


async def test_of_a_large_message_the_record_holds_the_beginning_and_the_size(
    store: RecordStore,
) -> None:
    stored = await kept(store, body=of_tenant(A_TENANT), cut_from=100_000_000)

    assert (100_000_000, False, SYSTEM_TENANT) == (
        stored.record.size,
        stored.record.is_whole,
        stored.record.tenant_id,
    )
    assert of_tenant(A_TENANT) == dead_letters.content_of(
        await dead_letters.read_body(store, stored.record)
    )


async def test_a_letter_that_others_put_there_is_kept_as_unknown(store: RecordStore) -> None:
    message = replace(
        a_dead_letter(), headers={"x-reject-attempts": "many", "x-rejected-at": "yesterday"}
    )

    stored = await dead_letters.keep(store, QUEUE.name, message)

    assert ("unknown", 1, message.timestamp) == (
        stored.record.code,
        stored.record.attempts,
        stored.record.created_at,
    )


async def test_a_body_is_in_no_log(store: RecordStore) -> None:
    stored = await kept(store, body=of_tenant(A_TENANT, secret="s3cret"))

    assert "s3cret" not in repr(stored) + repr(await dead_letters.read_body(store, stored.record))


# --- replayed -------------------------------------------------------------------------------------


async def test_a_replayed_letter_is_in_its_queue_as_its_publisher_sent_it(
    store: RecordStore, bus: SqliteEventBus
) -> None:
    message = a_dead_letter()
    stored = await dead_letters.keep(store, QUEUE.name, message)

    replayed = (await dead_letters.replay(store, bus, stored, ANN)).record

    [again] = await bus.peek(QUEUE.name)
    assert (message.id, message.routing_key, message.body, message.timestamp) == (
        again.id,
        again.routing_key,
        again.body,
        again.timestamp,
    )
    assert {"tenantId": "a-tenant", "x-dead-letter-id": replayed.id} == again.headers
    assert ["refused", "replaying", "replayed"] == [entry.what for entry in replayed.history]
    assert ("ann", "cli") == (replayed.history[1].actor, replayed.history[1].channel)


async def test_a_letter_that_is_refused_again_is_the_same_letter_and_waits_again(
    store: RecordStore, bus: SqliteEventBus
) -> None:
    stored = await kept(store, code="unknown-execution")
    await dead_letters.replay(store, bus, stored, ANN)
    [message] = await bus.peek(QUEUE.name)

    back = await dead_letters.keep(store, QUEUE.name, refused(message, "poison"))

    assert (stored.record.id, "waiting", "poison", 2) == (
        back.record.id,
        back.record.status,
        back.record.code,
        back.record.times,
    )
    assert stored.record.created_at == back.record.created_at < back.record.rejected_at


async def test_an_edited_letter_that_is_refused_again_is_the_same_letter(
    store: RecordStore, bus: SqliteEventBus
) -> None:
    stored = await kept(store, body=b"{not json")
    edited = await dead_letters.edit(store, stored, of_tenant(A_TENANT), ANN)
    await dead_letters.replay(store, bus, edited, ANN)
    [message] = await bus.peek(QUEUE.name)

    back = await dead_letters.keep(store, QUEUE.name, refused(message, "poison"))

    assert (stored.record.id, 2) == (back.record.id, back.record.times)


async def test_a_foreign_message_cannot_pass_for_a_letter_of_ours(store: RecordStore) -> None:
    stored = await kept(store)
    foreign = a_dead_letter(headers={"x-dead-letter-id": stored.record.id})

    other = await dead_letters.keep(store, QUEUE.name, foreign)

    assert stored.record.id != other.record.id
    assert stored == await dead_letters.read(store, A_TENANT, stored.record.id)


async def test_a_letter_that_was_replayed_is_not_replayed_again(
    store: RecordStore, bus: SqliteEventBus
) -> None:
    replayed = await dead_letters.replay(store, bus, await kept(store), ANN)

    with pytest.raises(dead_letters.LetterSettled, match="replayed"):
        await dead_letters.replay(store, bus, replayed, ANN)
    assert 1 == await bus.depth(QUEUE.name)


async def test_of_two_who_replay_at_once_one_does(store: RecordStore, bus: SqliteEventBus) -> None:
    stored = await kept(store)
    await dead_letters.replay(store, bus, stored, ANN)

    with pytest.raises(Stale):
        await dead_letters.replay(store, bus, stored, ANN)
    assert 1 == await bus.depth(QUEUE.name)


async def test_a_letter_of_which_only_the_beginning_was_kept_is_replayed_once_it_is_edited(
    store: RecordStore, bus: SqliteEventBus
) -> None:
    stored = await kept(store, body=b"begins", cut_from=300_000)
    with pytest.raises(dead_letters.LetterCut, match="edit it"):
        await dead_letters.replay(store, bus, stored, ANN)

    await dead_letters.replay(
        store, bus, await dead_letters.edit(store, stored, of_tenant(A_TENANT), ANN), ANN
    )

    assert [of_tenant(A_TENANT)] == [message.body for message in await bus.peek(QUEUE.name)]


async def test_a_letter_whose_queue_is_gone_waits_again(
    store: RecordStore, bus: SqliteEventBus
) -> None:
    stored = await dead_letters.keep(store, "no-such-queue", a_dead_letter())

    with pytest.raises(Unroutable):
        await dead_letters.replay(store, bus, stored, ANN)

    letter = (await dead_letters.read(store, A_TENANT, stored.record.id)).record
    assert ("waiting", "stranded") == (letter.status, letter.history[-1].what)


# --- edited, discarded ----------------------------------------------------------------------------


async def test_an_edited_letter_has_its_new_body_and_says_who_gave_it(store: RecordStore) -> None:
    stored = await kept(store)

    edited = await dead_letters.edit(store, stored, of_tenant(A_TENANT, fixed=True), ANN)

    assert of_tenant(A_TENANT, fixed=True) == dead_letters.content_of(
        await dead_letters.read_body(store, edited.record)
    )
    assert ("edited", "ann") == (edited.record.history[-1].what, edited.record.history[-1].actor)
    assert stored.record.version + 1 == edited.record.version


async def test_of_two_who_edit_at_once_one_does(store: RecordStore) -> None:
    stored = await kept(store)
    await dead_letters.edit(store, stored, of_tenant(A_TENANT, by="one"), ANN)

    with pytest.raises(Stale):
        await dead_letters.edit(store, stored, of_tenant(A_TENANT, by="other"), ANN)


async def test_an_edit_cannot_turn_a_letter_into_another_tenants_event(store: RecordStore) -> None:
    with pytest.raises(dead_letters.AnothersTenant, match=A_TENANT):
        await dead_letters.edit(store, await kept(store), of_tenant(ANOTHER_TENANT), ANN)


async def test_the_platform_may_give_a_letter_without_a_tenant_to_one(store: RecordStore) -> None:
    edited = await dead_letters.edit(
        store, await kept(store, body=b"{not json"), of_tenant(A_TENANT), ANN
    )

    assert (SYSTEM_TENANT, "integration.opportunity.updated") == (
        edited.record.tenant_id,
        edited.record.event_type,
    )


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (of_tenant(None), "unknown-tenant"),
        (b"{not json", "malformed-json"),
        (of_tenant(A_TENANT, data={}), "schema-invalid"),
        (of_tenant(A_TENANT, type="no.such"), "schema-invalid"),
    ],
)
async def test_an_edit_that_would_be_refused_again_is_refused_at_once(
    store: RecordStore, body: bytes, code: str
) -> None:
    with pytest.raises(Rejected) as refusal:
        await dead_letters.edit(store, await kept(store), body, ANN)
    assert code == refusal.value.code


async def test_a_discarded_letter_says_why_and_by_whom(store: RecordStore) -> None:
    stored = await kept(store)

    discarded = (await dead_letters.discard(store, stored, "a test of theirs", ANN)).record

    entry = discarded.history[-1]
    assert ("discarded", "a test of theirs", "ann") == (discarded.status, entry.note, entry.actor)


async def test_a_letter_that_was_discarded_by_mistake_can_be_replayed(
    store: RecordStore, bus: SqliteEventBus
) -> None:
    discarded = await dead_letters.discard(store, await kept(store), "a mistake", ANN)

    await dead_letters.replay(store, bus, discarded, ANN)

    assert 1 == await bus.depth(QUEUE.name)


async def test_what_was_settled_is_not_edited_or_discarded(store: RecordStore) -> None:
    discarded = await dead_letters.discard(store, await kept(store), "done", ANN)

    with pytest.raises(dead_letters.LetterSettled, match="edited"):
        await dead_letters.edit(store, discarded, of_tenant(A_TENANT), ANN)
    with pytest.raises(dead_letters.LetterSettled, match="discarded"):
        await dead_letters.discard(store, discarded, "again", ANN)


# --- in time --------------------------------------------------------------------------------------


@pytest.fixture
def sweep(store: RecordStore, bus: SqliteEventBus) -> DeadLetterSweep:
    return DeadLetterSweep(store, bus, kept_for=timedelta(days=30), interval_seconds=0.0)


async def test_scheduled_letters_are_replayed_when_their_time_has_come(
    store: RecordStore, bus: SqliteEventBus, sweep: DeadLetterSweep
) -> None:
    due, later = await kept(store), await kept(store)
    await dead_letters.schedule(store, due, utc_now(), ANN)
    await dead_letters.schedule(store, later, utc_now() + timedelta(minutes=1), ANN)

    assert 1 == await sweep.replay_due()

    assert [due.record.message_id] == [message.id for message in await bus.peek(QUEUE.name)]


async def test_what_a_crash_left_between_publish_and_record_is_published_again_under_the_same_id(
    store: RecordStore, bus: SqliteEventBus, sweep: DeadLetterSweep
) -> None:
    stored = await kept(store)
    crashed = await dead_letters.schedule(store, stored, utc_now(), ANN)
    await dead_letters.publish(store, bus, crashed)
    replaced = await dead_letters.read(store, A_TENANT, stored.record.id)
    # as if the last write had not happened
    await store.replace(A_TENANT, replaced.etag, crashed.record)

    assert 1 == await sweep.replay_due()

    assert [stored.record.message_id] * 2 == [message.id for message in await bus.peek(QUEUE.name)]
    assert "replayed" == (await dead_letters.read(store, A_TENANT, stored.record.id)).record.status


async def test_many_letters_are_scheduled_at_a_rate_oldest_first(
    store: RecordStore, bus: SqliteEventBus
) -> None:
    letters = [await kept(store, rejected_at=now() - timedelta(minutes=n)) for n in (3, 2, 1)]
    await kept(store, code="poison")
    await kept(store, body=b"cut", cut_from=300_000, code="too-large")

    plan = await schedule_many(
        store, bus, A_TENANT, LetterFilter(code="schema-invalid"), ANN, rate=2.0, limit=2
    )

    assert (2, 0, True) == (plan.scheduled, plan.skipped, plan.more)
    first, second, third = [
        (await dead_letters.read(store, A_TENANT, one.record.id)).record for one in letters
    ]
    assert first.replay_at
    assert second.replay_at
    assert timedelta(seconds=0.5) == second.replay_at - first.replay_at
    assert ("replaying", "replaying", "waiting") == (first.status, second.status, third.status)


async def test_what_cannot_be_replayed_is_skipped(store: RecordStore, bus: SqliteEventBus) -> None:
    await kept(store, body=b"cut", cut_from=300_000)

    plan = await schedule_many(store, bus, SYSTEM_TENANT, LetterFilter(), ANN, rate=2.0, limit=10)

    assert (0, 1, False) == (plan.scheduled, plan.skipped, plan.more)


async def test_a_letter_that_another_process_has_in_hand_is_left_to_it(
    store: RecordStore, bus: SqliteEventBus, sweep: DeadLetterSweep
) -> None:
    held = await dead_letters.schedule(store, await kept(store), utc_now(), ANN)
    await dead_letters.claim(store, held)

    assert 0 == await sweep.replay_due()


async def test_settled_letters_are_forgotten_with_all_their_bodies_and_waiting_ones_never(
    store: RecordStore, bus: SqliteEventBus
) -> None:
    sweep = DeadLetterSweep(store, bus, kept_for=timedelta(0), interval_seconds=1.0)
    stored, waiting = await kept(store), await kept(store)
    edited = await dead_letters.edit(store, stored, of_tenant(A_TENANT), ANN)
    await dead_letters.discard(store, edited, "done", ANN)

    assert 1 == await sweep.forget_settled()

    with pytest.raises(NotFound):
        await dead_letters.read(store, A_TENANT, stored.record.id)
    assert [waiting.record.id] == [
        one.record.letter_id for one in (await store.query(A_TENANT, Query(DeadLetterBody))).items
    ]


async def a_discarded_letter(store: RecordStore) -> Stored[DeadLetterRecord]:
    return await dead_letters.discard(store, await kept(store), "done", ANN)


async def test_a_letter_that_is_replayed_while_it_is_being_forgotten_stays_with_its_body(
    store: RecordStore, bus: SqliteEventBus
) -> None:
    letter = await a_discarded_letter(store)
    at_once = partial(dead_letters.schedule, store, letter, now(), ANN)
    meanwhile = Meanwhile(store, "query", DeadLetterRecord, at_once)

    assert 0 == await dead_letters.forget(meanwhile, A_TENANT, now())

    known = await dead_letters.read(store, A_TENANT, letter.record.id)
    await dead_letters.publish(store, bus, known)
    assert 1 == await bus.depth(QUEUE.name)


async def test_a_letter_that_a_crash_left_half_forgotten_cannot_be_replayed_and_goes_later(
    store: RecordStore,
) -> None:
    async def crash() -> None:
        raise Unavailable("the process is gone")

    letter = await a_discarded_letter(store)
    with pytest.raises(Unavailable):
        await dead_letters.forget(
            Meanwhile(store, "delete", DeadLetterBody, crash), A_TENANT, now()
        )

    left = await dead_letters.read(store, A_TENANT, letter.record.id)
    with pytest.raises(dead_letters.LetterCut):
        await dead_letters.schedule(store, left, now(), ANN)
    assert 1 == await dead_letters.forget(store, A_TENANT, now())
    assert 0 == await store.count(A_TENANT, DeadLetterRecord)


async def test_a_body_that_cannot_be_read_keeps_no_other_letter_from_being_forgotten(
    store: RecordStore,
) -> None:
    damaged, _ = await a_discarded_letter(store), await a_discarded_letter(store)
    await put_unreadable(
        store,
        DeadLetterBody,
        A_TENANT,
        id=damaged.record.body_id,
        letterId=damaged.record.id,
    )

    assert 2 == await dead_letters.forget(store, A_TENANT, now())


async def test_waiting_letters_are_counted_by_code_and_unknown_codes_together(
    store: RecordStore, sweep: DeadLetterSweep
) -> None:
    for code in ("poison", "poison", "made-up", "made-up-too"):
        await kept(store, code=code)
    await kept(store, code="malformed-json", body=b"{")
    await dead_letters.discard(store, await kept(store, code="poison"), "done", ANN)

    assert 5 == await sweep.count_waiting()

    assert {
        "poison": 2.0,
        "malformed-json": 1.0,
        "other": 2.0,
        "too-large": 0.0,
    }.items() <= counted().items()


async def test_a_filter_takes_code_type_queue_status_and_age(store: RecordStore) -> None:
    long_ago = now() - timedelta(hours=3)
    old = await kept(store, code="poison", rejected_at=long_ago)
    young = await kept(store, code="poison")
    await kept(store, code="schema-invalid", rejected_at=long_ago)

    async def found(**wanted: Any) -> list[str]:
        page = await store.query(
            A_TENANT, Query(DeadLetterRecord, LetterFilter(**wanted).where(), newest_first=False)
        )
        return [stored.record.id for stored in page.items]

    assert [old.record.id, young.record.id] == await found(code="poison")
    assert [old.record.id] == await found(code="poison", refused_before=now() - timedelta(hours=1))
    assert [] == await found(event_type="no.such")
    assert 3 == len(await found(event_type="order.placed", queue="orders", status="waiting"))


def refused(message: Message, code: str) -> Message:
    why = {
        "x-reject-code": code,
        "x-reject-reason": "again",
        "x-rejected-at": datetime.now(UTC).isoformat(),
    }
    return replace(message, headers={**message.headers, **why})


def counted() -> dict[str, float]:
    [family] = WAITING.collect()
    return {sample.labels["code"]: sample.value for sample in family.samples}
