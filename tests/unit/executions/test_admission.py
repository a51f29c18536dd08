"""How large runs begin their executions: in turns, with all there is while they are alone, and
never more than a slice in front of a lone one.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from time import monotonic

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks import signals
from blocks.adapters.forwarding import ForwardingEventBus
from blocks.adapters.sqlite.event_bus import SqliteEventBus
from blocks.clock import utc_now
from blocks.contracts.envelope import UnknownEventType, decode_event
from blocks.ports import EventBus, Message, Queue
from flows.shared import admission
from flows.shared.admission import (
    FEW,
    SLICE,
    SLICE_MAX,
    SLICE_SECONDS,
    UNDER_WAY,
    Admission,
    next_size,
)
from listeners.router import Router
from tests.support.factories import A_TENANT, ANOTHER_TENANT
from tests.support.waiting import eventually

INTAKE = Queue(name="intake", bindings=())
MANY = 4 * SLICE


class HeldMarks(ForwardingEventBus):
    """An intake queue whose marks come back when the test says so."""

    def __init__(self, bus: EventBus) -> None:
        super().__init__(bus)
        self.waiting: list[bytes] = []
        self.seen = 0

    async def deliver(self, queue: str, *messages: Message) -> None:
        self.waiting += [message.id.encode() for message in messages]
        self.seen += len(messages)


class Begun:
    """What was begun, slice by slice."""

    def __init__(self) -> None:
        self.slices: list[Sequence[str]] = []

    async def __call__(self, items: Sequence[str]) -> None:
        self.slices.append(items)

    def __len__(self) -> int:
        return len(self.slices)


@pytest.fixture(autouse=True)
def _constant_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """However fast this machine is, except where a test wants them to grow."""
    monkeypatch.setattr(admission, "SLICE_SECONDS", 0.0)


@pytest.fixture
def marks(bus: EventBus, monkeypatch: pytest.MonkeyPatch) -> HeldMarks:
    monkeypatch.setattr(admission, "MARK_SECONDS", 3600.0)  # however slow this machine is
    return HeldMarks(bus)


def named(tenant: str, count: int) -> list[str]:
    return [f"{tenant} {number}" for number in range(count)]


async def has_begun(begun: Begun, slices: int) -> None:
    async def so_many() -> bool:
        return len(begun) >= slices

    await eventually(so_many)


async def is_marked(marks: HeldMarks, count: int) -> None:
    async def so_many() -> bool:
        return marks.seen >= count

    await eventually(so_many)


# --- bounded --------------------------------------------------------------------------------------


async def test_no_more_slices_are_under_way_than_have_their_marks_in_the_queue(
    marks: HeldMarks,
) -> None:
    admitting, begun = Admission(marks, INTAKE.name), Begun()
    working = asyncio.create_task(admitting.begin(A_TENANT, named("a", MANY), begun))
    for number in range(UNDER_WAY, 5):
        await is_marked(marks, number)
        await settled()
        assert number == len(begun)
        await admitting.mark_passed(marks.waiting.pop(0))
    await settled()
    assert not working.done()  # the last mark is on its way
    await admitting.mark_passed(marks.waiting.pop(0))
    await working
    assert named("a", MANY) == [item for part in begun.slices for item in part]
    assert [] == marks.waiting


async def settled() -> None:
    """Whatever can go on without anything from outside has gone on."""
    for _ in range(50):
        await asyncio.sleep(0)


async def test_large_runs_of_several_tenants_have_no_more_slices_under_way_than_one(
    marks: HeldMarks,
) -> None:
    admitting, begun = Admission(marks, INTAKE.name), Begun()
    tenants = [str(number) for number in range(4)]
    working = [
        asyncio.create_task(admitting.begin(tenant, named(tenant, MANY), begun))
        for tenant in tenants
    ]
    await is_marked(marks, UNDER_WAY)
    await settled()
    assert UNDER_WAY == len(begun)
    for task in working:
        task.cancel()
    await asyncio.wait(working)
    # those that were under way with them leave their place
    another = asyncio.create_task(admitting.begin(A_TENANT, named("a", MANY), begun))
    await has_begun(begun, 2 * UNDER_WAY)
    another.cancel()


async def test_few_executions_wait_for_no_slice(marks: HeldMarks) -> None:
    admitting, many, few = Admission(marks, INTAKE.name), Begun(), Begun()
    working = asyncio.create_task(admitting.begin(A_TENANT, named("a", MANY), many))
    await is_marked(marks, UNDER_WAY)

    await admitting.begin(ANOTHER_TENANT, named("b", FEW), few)

    assert (UNDER_WAY, 1) == (len(many), len(few))
    assert UNDER_WAY == marks.seen  # they need no mark either
    working.cancel()


# --- no capacity is left unused -------------------------------------------------------------------


async def test_alone_the_next_slice_begins_as_soon_as_the_mark_is_back(marks: HeldMarks) -> None:
    admitting, begun = Admission(marks, INTAKE.name), Begun()
    await admitting.begin(A_TENANT, ["a lone one of its own"], Begun())
    await admitting.begin(A_TENANT, ["and another"], Begun())
    working = asyncio.create_task(admitting.begin(A_TENANT, named("a", MANY), begun))
    await is_marked(marks, UNDER_WAY)
    await admitting.mark_passed(marks.waiting.pop())
    await has_begun(begun, UNDER_WAY + 1)
    assert {SLICE} == {len(part) for part in begun.slices}
    working.cancel()


async def test_beside_traffic_of_others_slices_are_as_small_as_at_first_one_at_a_time(
    marks: HeldMarks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "SLICE_SECONDS", 3600.0)
    admitting, begun = Admission(marks, INTAKE.name), Begun()
    working = asyncio.create_task(admitting.begin(A_TENANT, named("a", 10 * MANY), begun))
    for number in (1, 2):
        await is_marked(marks, UNDER_WAY + number - 1)
        await admitting.mark_passed(marks.waiting.pop(0))
    await has_begun(begun, UNDER_WAY + 2)
    before = len(begun)
    assert SLICE < len(begun.slices[-1])

    await admitting.begin(ANOTHER_TENANT, ["b"], Begun())  # one is traffic

    await is_marked(marks, before)
    await admitting.mark_passed(marks.waiting.pop(0))
    await settled()
    assert before == len(begun)  # there is one at a time now
    await admitting.mark_passed(marks.waiting.pop(0))
    await has_begun(begun, before + 1)
    assert SLICE == len(begun.slices[-1])
    working.cancel()


async def test_traffic_is_over_when_no_lone_execution_has_come_for_a_while(
    marks: HeldMarks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "TRAFFIC_SECONDS", 0.0)
    admitting, begun = Admission(marks, INTAKE.name), Begun()
    await admitting.begin(ANOTHER_TENANT, ["b"], Begun())
    working = asyncio.create_task(admitting.begin(A_TENANT, named("a", MANY), begun))
    await is_marked(marks, UNDER_WAY)
    working.cancel()


@pytest.mark.parametrize("loss", ["the mark is lost", "there is no intake queue"])
async def test_a_mark_that_never_comes_back_holds_nothing_up(
    bus: EventBus, marks: HeldMarks, monkeypatch: pytest.MonkeyPatch, loss: str
) -> None:
    monkeypatch.setattr(admission, "MARK_SECONDS", 0.02)
    admitting = Admission(marks if loss == "the mark is lost" else bus, INTAKE.name)
    begun = Begun()
    await asyncio.wait_for(admitting.begin(A_TENANT, named("a", MANY), begun), timeout=10)
    assert 4 == len(begun)


async def test_a_slice_that_fails_leaves_the_turn_to_others(marks: HeldMarks) -> None:
    admitting, begun = Admission(marks, INTAKE.name), Begun()

    async def fails(_: Sequence[str]) -> None:
        raise ValueError("no broker")

    with pytest.raises(ValueError, match="no broker"):
        await admitting.begin(A_TENANT, named("a", MANY), fails)
    working = asyncio.create_task(admitting.begin(ANOTHER_TENANT, named("b", MANY), begun))
    await has_begun(begun, 1)
    working.cancel()


async def test_slices_that_are_passed_quickly_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "SLICE_SECONDS", 3600.0)
    admitting, begun = _returning_at_once(), Begun()
    await admitting.begin(A_TENANT, named("a", 400), begun)
    sizes = [len(part) for part in begun.slices]
    assert SLICE == sizes[0]
    assert all(before <= after for before, after in pairwise(sizes[:-1]))
    assert SLICE_MAX == max(sizes)
    await admitting.begin(ANOTHER_TENANT, named("b", 50), begun)
    assert 50 == len(begun.slices[-1])  # what was learned holds for all runs of the process


@given(st.integers(SLICE, SLICE_MAX), st.floats(0, 3600))
async def test_a_slice_of_the_next_size_would_have_taken_its_time(
    size: int, seconds: float
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(admission, "SLICE_SECONDS", SLICE_SECONDS)
        following = next_size(size, seconds)
    assert SLICE <= following <= min(2 * size, SLICE_MAX)
    if SLICE < following:
        assert seconds / size * (following - 1) <= SLICE_SECONDS
    if following < min(2 * size, SLICE_MAX):
        assert SLICE_SECONDS <= seconds / size * (following + 1)


# --- no one starves -------------------------------------------------------------------------------


@given(st.lists(st.integers(FEW + 1, 8 * SLICE), min_size=2, max_size=5))
async def test_of_runs_that_wait_none_gets_a_second_slice_before_the_others_have_one(
    sizes: list[int],
) -> None:
    turns: list[int] = []
    admitting = _returning_at_once()

    async def run(number: int, size: int) -> None:
        async def begin(items: Sequence[int]) -> None:
            turns.append(number)
            await asyncio.sleep(0)

        await admitting.begin(f"tenant {number}", range(size), begin)

    await asyncio.gather(*(run(number, size) for number, size in enumerate(sizes)))

    needed = {number: -(-size // SLICE) for number, size in enumerate(sizes)}
    assert needed == Counter(turns)
    had = Counter[int]()
    for turn in turns:
        had[turn] += 1
        waiting = [number for number in needed if had[number] < needed[number]]
        assert all(had[turn] - had[number] <= 1 for number in waiting)


def _returning_at_once() -> Admission:
    class Returning(HeldMarks):
        async def deliver(self, queue: str, *messages: Message) -> None:
            for message in messages:
                await admitting.mark_passed(message.id.encode())

    admitting = Admission(Returning(SqliteEventBus(Path("never-opened"))), INTAKE.name)
    return admitting


# --- through a listener ---------------------------------------------------------------------------


async def test_a_mark_comes_back_through_a_listener(router: Router, bus: EventBus) -> None:
    await bus.declare(INTAKE)
    admitting, begun = Admission(bus, INTAKE.name), Begun()
    async with (
        bus.listen(signals.INTAKE_PASSED, admitting.mark_passed),
        bus.consume(INTAKE, router.handle),
    ):
        since = monotonic()
        await admitting.begin(A_TENANT, named("a", MANY), begun)
    assert monotonic() - since < 3 * admission.MARK_SECONDS  # none was late
    assert 0 == await bus.depth(INTAKE.dead_letters)


def test_a_listener_of_an_earlier_version_takes_a_mark_for_an_event_of_others() -> None:
    with pytest.raises(UnknownEventType):
        decode_event(signals.MARK_BODY, received_at=utc_now())
