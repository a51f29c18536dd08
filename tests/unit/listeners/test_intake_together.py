"""Events that lie in the queue together become what they would have become one after the other, in
fewer requests.
"""

import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from blocks.adapters.forwarding import ForwardingRecordStore
from blocks.adapters.sqlite.record_store import SqliteRecordStore
from blocks.clock import utc_now
from blocks.contracts.envelope import Event
from blocks.contracts.events import EventData, IntegrationOpportunityUpdated, ShardUpdated
from blocks.contracts.records import ExecutionRecord, Record
from blocks.contracts.rejections import Rejected
from blocks.executions import transitions
from blocks.ports import Query, RecordStore, TooLarge, Unavailable
from listeners.triggers.intake import Intake
from listeners.triggers.table import TRIGGERS
from tests.support.event_context import context_of
from tests.support.factories import A_TENANT

T = TypeVar("T")
AT = utc_now()
AN_ID = "0B54C0F5-6f0a-4f4c-9d0e-2a3a30f3e001"

SUBJECTS = ("o-1", "o-2", "o-3", "o-4", "o-5", AN_ID, AN_ID.lower())


class CountedStore(ForwardingRecordStore):
    def __init__(self, store: RecordStore) -> None:
        super().__init__(store)
        self.asked = Counter[str]()
        self.is_away = False

    async def _ask(
        self, operation: str, kind: type[Record] | None, request: Callable[[], Awaitable[T]]
    ) -> T:
        if self.is_away:
            raise Unavailable("the store is away")
        if kind is ExecutionRecord:
            self.asked[operation] += 1
        return await request()


@pytest.fixture
def counted(store: RecordStore) -> CountedStore:
    return CountedStore(store)


def event(id: str, subject: str, *, shard: bool = False, stage: str = "") -> Event[EventData]:
    data: EventData
    if shard:
        data = ShardUpdated(shard_type="opportunity", shard_id=subject)
    else:
        data = IntegrationOpportunityUpdated(opportunity_id=subject, received={"stage": stage})
    digest = sha256(msgspec.json.encode(data)).hexdigest()
    return Event(id=id, tenant_id=A_TENANT, timestamp=utc_now(), data=data, digest=digest)


async def opened(intake: Intake, *events: Event[EventData]) -> list[str | Exception]:
    return await intake.open([(TRIGGERS[type(one.data)], one) for one in events])


async def executions(store: RecordStore) -> list[ExecutionRecord]:
    page = await store.query(A_TENANT, Query(ExecutionRecord, limit=1000))
    return [stored.record for stored in page.items]


async def test_events_of_subjects_that_wait_for_nothing_share_their_requests(
    counted: CountedStore,
) -> None:
    events = [event(f"e-{number}", f"o-{number}") for number in range(30)]

    assert ["created"] * 30 == await opened(context_of(counted).intake, *events)

    assert {"query": 2, "create_all": 1} == counted.asked
    assert {f"o-{number}" for number in range(30)} == {
        execution.subject for execution in await executions(counted)
    }


async def test_those_that_come_again_are_known_and_the_others_are_created(
    counted: CountedStore,
) -> None:
    intake = context_of(counted).intake
    first = [event(f"e-{number}", f"o-{number}") for number in range(3)]
    await opened(intake, *first)
    for stored in (await counted.query(A_TENANT, Query(ExecutionRecord))).items:
        await transitions.move(counted, stored, "running")  # it absorbs nothing any more

    again = await opened(intake, *first, event("e-3", "o-3"), event("e-4", "o-1"))

    assert ["duplicate"] * 3 + ["created"] * 2 == again
    assert 5 == len(await executions(counted))


async def test_of_two_events_with_one_id_one_is_refused(counted: CountedStore) -> None:
    outcomes = await opened(
        context_of(counted).intake, event("e", "o-1"), event("e", "o-2"), event("f", "o-3")
    )

    assert ["created", "created"] == [one for one in outcomes if not isinstance(one, Rejected)]
    assert 2 == len(await executions(counted))


async def test_an_event_that_is_too_large_for_the_store_holds_no_other_up(
    counted: CountedStore,
) -> None:
    outcomes = await opened(
        context_of(counted).intake,
        event("e-1", "o-1"),
        event("e-2", "o-2", stage="x" * 2_000_000),
        event("e-3", "o-3"),
    )

    assert ["created", "created"] == [outcomes[0], outcomes[2]]
    assert isinstance(outcomes[1], TooLarge)


async def test_while_the_store_is_away_no_event_is_opened(counted: CountedStore) -> None:
    intake = context_of(counted).intake
    await opened(intake, event("e", "o"))  # the tenant is known from now on
    counted.is_away = True

    with pytest.raises(Unavailable):
        await opened(intake, event("e-1", "o-1"), event("e-2", "o-2"))


Step = tuple[str, str, bool]
"""Id of an event, its subject, and whether its shard was updated."""


def _one_subject_of_each_id(bunch: list[Step]) -> list[Step]:
    """Of two events about different things under one id, that lie in the queue together, either may
    be the first.
    """
    first = {id: subject for id, subject, _ in reversed(bunch)}
    return [(id, first[id], is_shard) for id, _, is_shard in bunch]


BUNCH = st.lists(
    st.tuples(st.sampled_from("abcdefgh"), st.sampled_from(SUBJECTS), st.booleans()),
    min_size=1,
    max_size=8,
).map(_one_subject_of_each_id)


@given(st.lists(BUNCH, min_size=1, max_size=4))
@settings(max_examples=40)
async def test_a_bunch_becomes_what_its_events_become_one_after_the_other(
    bunches: list[list[Step]],
) -> None:
    async with _intake() as (together, one_store), _intake() as (alone, another_store):
        for bunch in bunches:
            events = [event(id, subject, shard=shard) for id, subject, shard in bunch]
            in_turn = [outcome for one in events for outcome in await opened(alone, one)]
            assert _words(in_turn) == _words(await opened(together, *events))
        assert _known(await executions(another_store)) == _known(await executions(one_store))


@asynccontextmanager
async def _intake() -> AsyncIterator[tuple[Intake, RecordStore]]:
    with tempfile.TemporaryDirectory() as folder:
        async with SqliteRecordStore(Path(folder) / "records.db") as store:
            await store.provision()
            yield context_of(store).intake, store


def _words(outcomes: Sequence[str | Exception]) -> list[str]:
    return [one if isinstance(one, str) else type(one).__name__ for one in outcomes]


def _known(executions: Sequence[ExecutionRecord]) -> dict[str, ExecutionRecord]:
    """By id, without their times."""
    return {
        one.id: replace(
            one,
            created_at=AT,
            updated_at=AT,
            triggers=[replace(trigger, received_at=AT) for trigger in one.triggers],
        )
        for one in executions
    }
