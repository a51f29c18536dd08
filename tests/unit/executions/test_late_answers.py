"""Answers that are late, repeated or another tenant's: none has an effect."""

from collections.abc import Callable
from uuid import uuid4

import msgspec
import pytest

from blocks.clock import utc_now
from blocks.contracts.records import ExecutionRecord, StepRecord
from blocks.contracts.states import TERMINAL
from blocks.executions.steps import step_records
from blocks.ports import Accept, Delivery, Message, Query, RecordStore, Retry, Stored
from listeners.router import Router
from tests.support.factories import A_TENANT, ANOTHER_TENANT, an_execution
from tests.support.system.analysis_services import answer_to, foreign_event
from tests.support.system.ledger import REQUESTED


def delivered(message: Message) -> Delivery:
    return Delivery(message=message, queue="intake")


def answer(execution: ExecutionRecord, request: str = REQUESTED[0]) -> Message:
    about = {"workflowId": execution.id, "opportunityId": execution.subject}
    return answer_to({"type": request, "id": str(uuid4()), "tenantId": A_TENANT, "data": about})


def failure(execution: ExecutionRecord) -> Message:
    """As the platform sends it: it names the opportunity only."""
    about = {"opportunityId": execution.subject, "error": "no model"}
    return foreign_event(A_TENANT, "risk.evaluation.failed", about, id=str(uuid4()))


async def steps_of(store: RecordStore, execution: ExecutionRecord) -> list[StepRecord]:
    return await step_records(store, A_TENANT, [execution.id])


@pytest.mark.parametrize("status", sorted(TERMINAL))
@pytest.mark.parametrize("late", [answer, failure])
async def test_an_answer_after_the_end_changes_nothing(
    router: Router, store: RecordStore, status: str, late: Callable[[ExecutionRecord], Message]
) -> None:
    ended = await store.create(A_TENANT, an_execution(status=status, completed_at=utc_now()))

    assert Accept() == await router.handle(delivered(late(ended.record)))

    assert ended == await store.read(A_TENANT, ExecutionRecord, ended.record.id)
    assert [] == await steps_of(store, ended.record)


async def test_the_first_answer_to_a_step_is_the_one_that_counts(
    router: Router, store: RecordStore
) -> None:
    running: Stored[ExecutionRecord] = await store.create(A_TENANT, an_execution(status="running"))
    first = answer(running.record)
    other = msgspec.structs.replace(first, body=first.body.replace(b"0.91", b"0.11"))

    assert [Accept()] * 3 == [
        await router.handle(delivered(message))
        for message in (first, other, failure(running.record))
    ]

    [step] = await steps_of(store, running.record)
    assert ("completed", 0.91) == (step.status, (step.result or {})["riskScore"])


async def test_another_tenants_answer_finds_no_execution_and_changes_nothing(
    router: Router, store: RecordStore
) -> None:
    running = await store.create(A_TENANT, an_execution(status="running"))
    forged = answer(running.record)
    of_another = forged.body.replace(A_TENANT.encode(), ANOTHER_TENANT.encode())

    verdict = await router.handle(delivered(msgspec.structs.replace(forged, body=of_another)))

    assert isinstance(verdict, Retry)
    assert "unknown-execution" == verdict.code
    assert running == await store.read(A_TENANT, ExecutionRecord, running.record.id)
    assert [] == await steps_of(store, running.record)
    assert [] == (await store.query(ANOTHER_TENANT, Query(ExecutionRecord))).items
