"""Answers that lie in the queue together share a read, a write and a signal, and nothing else."""

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import TypeVar, cast
from uuid import uuid4

import msgspec
import pytest

from blocks.adapters.consuming import judge_together
from blocks.adapters.forwarding import ForwardingRecordStore
from blocks.adapters.sqlite.record_store import SqliteRecordStore
from blocks.contracts.analysis import ANALYSIS_STEPS
from blocks.contracts.records import ExecutionRecord, Record, StepRecord
from blocks.executions.steps import step_records
from blocks.ports import (
    Accept,
    Delivery,
    EventBus,
    Message,
    Queue,
    RecordStore,
    Retry,
    Unavailable,
    Verdict,
)
from blocks.signals import STEPS_SETTLED
from listeners.router import Router
from tests.support.event_context import context_of
from tests.support.factories import A_TENANT, ANOTHER_TENANT, an_execution
from tests.support.system.analysis_services import ANSWERS, answer_to

INTAKE = Queue(name="intake", bindings=())
T = TypeVar("T")


class Store(ForwardingRecordStore):
    """The embedded store, which remembers what it was asked for, and can be away."""

    def __init__(self, store: RecordStore) -> None:
        super().__init__(store)
        self.asked: list[str] = []
        self.is_away = False

    async def _ask(
        self, operation: str, kind: type[Record] | None, request: Callable[[], Awaitable[T]]
    ) -> T:
        self.asked.append(operation)
        if self.is_away:
            raise Unavailable("the store is away")
        return await request()


class Signals:
    """As much of a bus as answers need."""

    def __init__(self) -> None:
        self.sent: list[list[StepRecord]] = []

    async def broadcast(self, topic: str, body: bytes) -> None:
        assert topic == STEPS_SETTLED
        self.sent.append(msgspec.json.decode(body, type=list[StepRecord]))


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with SqliteRecordStore(tmp_path / "records.db") as store:
        yield Store(store)


@pytest.fixture
def signals() -> Signals:
    return Signals()


@pytest.fixture
def router(store: Store, signals: Signals) -> Router:
    return Router(context_of(store, cast("EventBus", signals)))


async def running(store: Store, count: int, tenant_id: str = A_TENANT) -> list[ExecutionRecord]:
    created = [
        await store.create(tenant_id, an_execution(tenant_id=tenant_id, status="running"))
        for _ in range(count)
    ]
    store.asked.clear()
    return [stored.record for stored in created]


def answers_of(execution: ExecutionRecord, tenant_id: str | None = None) -> list[Message]:
    """One to each step."""
    about = {"workflowId": execution.id, "opportunityId": execution.subject}
    tenant = tenant_id or execution.tenant_id
    return [
        answer_to({"type": request, "id": str(uuid4()), "tenantId": tenant, "data": about})
        for request in ANSWERS
    ]


async def judged(router: Router, messages: list[Message]) -> list[Verdict | None]:
    deliveries = [Delivery(message=message, queue=INTAKE.name) for message in messages]
    return await judge_together(router.handle_together, deliveries, INTAKE)


async def test_the_answers_of_a_tenant_are_one_read_one_write_and_one_signal(
    router: Router, store: Store, signals: Signals
) -> None:
    executions = await running(store, 5)
    messages = [answer for execution in executions for answer in answers_of(execution)]

    assert [Accept()] * 20 == await judged(router, messages)

    assert ["query", "create_all"] == store.asked
    records = await step_records(store, A_TENANT, [execution.id for execution in executions])
    assert 5 * len(ANALYSIS_STEPS) == len(records)
    [sent] = signals.sent
    assert {record.id for record in records} == {record.id for record in sent}


async def test_what_is_delivered_again_is_signalled_as_it_was_recorded(
    router: Router, store: Store, signals: Signals
) -> None:
    [execution] = await running(store, 1)
    messages = answers_of(execution)
    await judged(router, messages[:2])
    before = await step_records(store, A_TENANT, [execution.id])

    assert [Accept()] * 4 == await judged(router, messages)

    after = {record.id: record for record in await step_records(store, A_TENANT, [execution.id])}
    assert len(ANALYSIS_STEPS) == len(after)
    assert before == [after[record.id] for record in before]
    assert after == {record.id: record for record in signals.sent[-1]}


async def test_of_two_answers_to_one_step_that_come_together_the_first_counts(
    router: Router, store: Store
) -> None:
    [execution] = await running(store, 1)
    first, other = (answers_of(execution)[0] for _ in range(2))
    other = msgspec.structs.replace(other, body=other.body.replace(b"0.91", b"0.11"))

    assert [Accept()] * 2 == await judged(router, [first, other])

    [record] = await step_records(store, A_TENANT, [execution.id])
    assert first.id == record.event_id


async def test_an_answer_to_an_unknown_execution_is_retried_and_the_others_count(
    router: Router, store: Store
) -> None:
    [mine], [foreign] = await running(store, 1), await running(store, 1, ANOTHER_TENANT)
    unknown = an_execution(status="running")

    verdicts = await judged(
        router,
        [*answers_of(mine), *answers_of(unknown), *answers_of(foreign, tenant_id=A_TENANT)],
    )

    assert [Accept] * 4 + [Retry] * 8 == [type(verdict) for verdict in verdicts]
    assert 4 == await store.count(A_TENANT, StepRecord)
    assert 0 == await store.count(ANOTHER_TENANT, StepRecord)


async def test_a_record_that_cannot_be_read_fails_its_own_answers_only(
    router: Router, store: Store, tmp_path: Path
) -> None:
    fine, damaged = await running(store, 2)
    with closing(sqlite3.connect(tmp_path / "records.db")) as file, file:
        changed = file.execute(
            f"UPDATE {ExecutionRecord.container} SET body = json_set(body, '$.status', 'x') "
            "WHERE id = ?",
            (damaged.id,),
        )
        assert 1 == changed.rowcount

    verdicts = await judged(router, [*answers_of(fine), *answers_of(damaged)])

    assert [Accept] * 4 + [Retry] * 4 == [type(verdict) for verdict in verdicts]
    assert 4 == await store.count(A_TENANT, StepRecord)


async def test_a_store_that_is_away_decides_nothing_for_any_of_them(
    router: Router, store: Store, signals: Signals
) -> None:
    [execution] = await running(store, 1)
    store.is_away = True
    assert [None] * 4 == await judged(router, answers_of(execution))
    store.is_away = False

    assert [] == signals.sent
    assert [Accept()] * 4 == await judged(router, answers_of(execution))
