"""A round of a phase: begun and ended once, on record, on the log and as an event."""

from typing import Any

import pytest

from blocks.claims import journeys, log, rounds, triggers
from blocks.contracts import ids
from blocks.contracts.records import ExecutionRecord
from blocks.contracts.records.claims import PhaseLogEntry, PhaseRecord
from blocks.executions import transitions
from blocks.ports import RecordStore, Stale, Stored
from tests.support.factories import A_TENANT
from tests.support.journeys.triggers import A_USER, Died, Fuse, Fused, MemoryBus, a_trigger


async def _requested(store: RecordStore, phase: int, user: str = A_USER) -> Stored[PhaseRecord]:
    trigger = a_trigger(phase, user_id=user)
    accepted = await triggers.accept(store, MemoryBus(), A_TENANT, trigger)  # type: ignore[arg-type]
    return await store.read(A_TENANT, PhaseRecord, accepted.phase_record_id)


async def _round(store: Any, bus: Any, phase: Stored[PhaseRecord], ends: str) -> None:
    """As whoever carries the journey does, from what is on record."""
    phase = await store.read(A_TENANT, PhaseRecord, phase.record.id)
    if phase.record.status in ("requested", "running"):
        phase = await rounds.begin(store, bus, phase, previous=2, retry=0)
        if ends == "completed":
            await rounds.complete(
                store, bus, phase, {"n": 1}, "done", previous=2, completes_sync=True
            )
        else:
            await rounds.fail(store, bus, phase, "broken", "it is down", previous=2)
    else:
        await rounds.announce(store, bus, phase, previous=None)


def _bodies(bus: MemoryBus) -> dict[str, set[bytes]]:
    bodies: dict[str, set[bytes]] = {}
    for message in bus.published:
        bodies.setdefault(message.id, set()).add(message.body)
    return bodies


@pytest.mark.parametrize("is_done_first", [False, True], ids=["lost", "answer-lost"])
@pytest.mark.parametrize("ends", ["completed", "failed"])
async def test_a_round_leaves_the_same_wherever_its_worker_dies(
    store: RecordStore, ends: str, is_done_first: bool
) -> None:
    fuse = Fuse()
    for blows_at in range(1, 30):
        bus = MemoryBus()
        phase = await _requested(store, 3, f"user-{blows_at}")
        fuse.set(blows_at, is_done_first=is_done_first)
        fused = Fused(store, fuse), Fused(bus, fuse)
        try:
            await _round(*fused, phase, ends)
        except Died:
            await _round(*fused, phase, ends)
        await _round(*fused, phase, ends)

        lines = await log.entries(store, A_TENANT, [phase.record.execution_id])
        marks = ["started", ends] + (["rolled_back"] if ends == "failed" else [])
        record = (await store.read(A_TENANT, PhaseRecord, phase.record.id)).record
        assert marks == [line.mark for line in lines]
        assert {line.id for line in lines[:2]} == _bodies(bus).keys()
        assert all(len(bodies) == 1 for bodies in _bodies(bus).values())
        assert (ends, 1) == (record.status, record.round)
        assert record.announced_at is not None
        assert lines[1].completes_sync is (ends == "completed")
        assert {2} == {line.previous_phase for line in lines}
        if ends == "failed":
            assert [2, 2] == [line.rollback_to for line in lines[1:]]
        if fuse.calls < blows_at:
            assert blows_at > 5
            return
    raise AssertionError("the fuse never outlasted the round")


async def test_what_has_ended_is_not_begun(store: RecordStore) -> None:
    bus = MemoryBus()
    phase = await _requested(store, 2)
    await _round(store, bus, phase, "completed")
    ended = await store.read(A_TENANT, PhaseRecord, phase.record.id)

    with pytest.raises(Stale):
        await rounds.begin(store, bus, ended, previous=None, retry=0)  # type: ignore[arg-type]


async def test_of_two_ends_of_a_round_the_first_counts(store: RecordStore) -> None:
    bus: Any = MemoryBus()
    begun = await rounds.begin(store, bus, await _requested(store, 2), previous=None, retry=0)

    await rounds.fail(store, bus, begun, "broken", "it is down", previous=None)
    late = await rounds.complete(store, bus, begun, {}, "done", previous=None)

    lines = await log.entries(store, A_TENANT, [begun.record.execution_id])
    assert "failed" == late.record.status
    assert ["started", "failed"] == [line.mark for line in lines]


async def test_a_queued_trigger_is_the_next_round_once(store: RecordStore) -> None:
    bus: Any = MemoryBus()
    begun = await rounds.begin(store, bus, await _requested(store, 2), previous=None, retry=0)
    trigger = a_trigger(2, orders_count=5)
    await triggers.accept(store, bus, A_TENANT, trigger)

    await rounds.complete(store, bus, begun, {}, "done", previous=None)
    twice = await rounds.complete(store, bus, begun, {}, "done", previous=None)

    assert ("requested", 2, 5) == (
        twice.record.status,
        twice.record.round,
        twice.record.trigger.orders_count,
    )


async def test_lines_of_the_log_are_only_ever_created(store: RecordStore) -> None:
    await _round(store, MemoryBus(), phase := await _requested(store, 2), "completed")
    line = (await log.entries(store, A_TENANT, [phase.record.execution_id]))[0]
    stored = await store.read(A_TENANT, PhaseLogEntry, line.id)

    with pytest.raises(ValueError, match="never changed"):
        await store.replace(A_TENANT, stored.etag, line)


@pytest.mark.parametrize(
    ("status", "woken"),
    [
        ("pending", "pending"),
        ("running", "running"),
        ("waiting", "pending"),
        ("completed", "pending"),
        ("failed", "pending"),
        ("cancelled", "cancelled"),
    ],
)
async def test_a_journey_is_woken_from_what_it_was(
    store: RecordStore, status: str, woken: str
) -> None:
    bus: Any = MemoryBus()
    phase = await _requested(store, 2)
    stored = await store.read(A_TENANT, ExecutionRecord, phase.record.execution_id)
    if status in ("running", "waiting", "completed", "failed"):
        stored = await transitions.move(store, stored, "running")
    match status:
        case "waiting":
            stored = await transitions.move(store, stored, "waiting")
        case "completed":
            stored = await transitions.complete(store, stored, results={})
        case "failed":
            stored = await transitions.fail(store, stored, "broken", "no")
        case "cancelled":
            stored = await transitions.cancel(store, stored, "enough")

    record = await journeys.wake(store, bus, A_TENANT, stored.record.id)

    now = await store.read(A_TENANT, ExecutionRecord, stored.record.id)
    assert woken == record.status == now.record.status
    if status == "running":  # whoever looked before finds its ETag outdated
        assert now.etag != stored.etag
    if status in ("completed", "failed"):
        ended = ids.terminal_event_id(stored.record.id, 0)
        assert [ended] == [one.id for one in bus.published]


@pytest.mark.parametrize("is_known", [True, False])
async def test_a_woken_journey_shows_no_failure_of_before(
    store: RecordStore, is_known: bool
) -> None:
    phase = await _requested(store, 2)
    stored = await store.read(A_TENANT, ExecutionRecord, phase.record.execution_id)
    running = await transitions.move(store, stored, "running")
    resting = await transitions.move(store, running, "waiting", failed_step="phase_2")

    known = resting if is_known else None
    bus: Any = MemoryBus()
    record = await journeys.wake(store, bus, A_TENANT, resting.record.id, known=known)

    assert ("pending", None) == (record.status, record.failed_step)


@pytest.mark.parametrize("looks_first", [True, False])
async def test_a_journey_does_not_rest_beside_a_request(
    store: RecordStore, looks_first: bool
) -> None:
    bus: Any = MemoryBus()
    phase = await _requested(store, 2)
    id = phase.record.execution_id
    await transitions.move(store, await store.read(A_TENANT, ExecutionRecord, id), "running")
    await _round(store, bus, phase, "completed")

    seen = await store.read(A_TENANT, ExecutionRecord, id)
    if not looks_first:
        await transitions.move(store, seen, "waiting")
    await triggers.accept(store, bus, A_TENANT, a_trigger(4))

    if looks_first:
        with pytest.raises(Stale):
            await transitions.move(store, seen, "waiting")
    else:
        now = await store.read(A_TENANT, ExecutionRecord, id)
        assert "pending" == now.record.status
