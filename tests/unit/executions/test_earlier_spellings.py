"""Executions that an earlier version stored with the event's own spelling are found by whatever is
about them.
"""

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from blocks.actions.starting import rerun_execution
from blocks.contracts.records import ApprovalRecord, ExecutionRecord
from blocks.executions.steps import step_records
from blocks.ports import Accept, Delivery, EventBus, Message, Query, RecordStore, Reject
from blocks.settings import load_settings
from blocks.topology import intake_queue
from listeners.dead_letters import Keeper
from listeners.router import Router
from tests.support.factories import A_TENANT, a_dead_letter, an_execution, new_id, now

INTAKE = intake_queue(load_settings({}))
SAME = str
SPELLINGS = [
    (str.upper, str.lower),
    (str.upper, str.upper),
    (str.title, SAME),
    (str.upper, str.title),
]
"""As the record has it, and as the event spells what the record has."""

each_spelling = pytest.mark.parametrize(("stored_as", "sent_as"), SPELLINGS)
Spell = Callable[[str], str]


async def stored_earlier(store: RecordStore, spelled: Spell, **changes: Any) -> ExecutionRecord:
    """As that version wrote it; a Struct made today would not take the spelling."""
    execution = an_execution(**changes)
    event_id = spelled(execution.trigger_ids[0])
    msgspec.structs.force_setattr(execution, "subject", spelled(execution.subject))
    msgspec.structs.force_setattr(execution, "trigger_ids", [event_id])
    msgspec.structs.force_setattr(execution.triggers[0], "event_id", event_id)
    await store.create(A_TENANT, execution)
    return execution


def message(event_type: str, **data: Any) -> Message:
    event = {"id": data.pop("id", new_id()), "type": event_type, "tenantId": A_TENANT, "data": data}
    return Message(
        id=event["id"], routing_key=event_type, body=json.dumps(event).encode(), timestamp=now()
    )


async def handled(router: Router, message: Message) -> None:
    assert Accept() == await router.handle(Delivery(message=message, queue=INTAKE.name))


async def as_it_is(store: RecordStore, id: str) -> ExecutionRecord:
    return (await store.read(A_TENANT, ExecutionRecord, id)).record


async def test_a_record_is_read_in_one_spelling_and_keeps_the_other(store: RecordStore) -> None:
    earlier = await stored_earlier(store, str.upper)

    read = await as_it_is(store, earlier.id)

    assert (earlier.subject.lower(), earlier.subject) == (read.subject, read.subject_on_wire)
    assert [earlier.trigger_ids[0].lower()] == read.trigger_ids == [read.triggers[0].event_id]
    assert read == msgspec.json.decode(msgspec.json.encode(read), type=ExecutionRecord)


@each_spelling
async def test_an_answer_that_names_only_the_opportunity_counts(
    router: Router, store: RecordStore, stored_as: Spell, sent_as: Spell
) -> None:
    earlier = await stored_earlier(store, stored_as, status="running")

    await handled(
        router,
        message("risk.evaluation.failed", opportunityId=sent_as(earlier.subject), error="no model"),
    )

    [step] = await step_records(store, A_TENANT, [earlier.id])
    assert "failed" == step.status


@each_spelling
async def test_a_refused_answer_is_noted(
    router: Router, store: RecordStore, stored_as: Spell, sent_as: Spell
) -> None:
    earlier = await stored_earlier(store, stored_as, status="running")
    bad = message("risk.evaluation.failed", opportunityId=sent_as(earlier.subject), error=["no"])
    assert isinstance(await router.handle(Delivery(message=bad, queue=INTAKE.name)), Reject)

    await Keeper(store, INTAKE).keep(a_dead_letter(body=bad.body, routing_key=bad.routing_key))

    assert 1 == len((await as_it_is(store, earlier.id)).refused_answers)


@each_spelling
async def test_a_request_for_approval_holds_it_up(
    router: Router, store: RecordStore, stored_as: Spell, sent_as: Spell
) -> None:
    earlier = await stored_earlier(store, stored_as, status="running")
    asked = {"opportunityId": sent_as(earlier.subject), "riskScore": 0.9, "amount": 5}

    await handled(router, message("hitl.approval.requested", **asked))

    [approval] = (await store.query(A_TENANT, Query(ApprovalRecord))).items
    assert [approval.record.id] == (await as_it_is(store, earlier.id)).approval_ids


@each_spelling
async def test_another_event_is_absorbed_while_it_is_pending(
    router: Router, store: RecordStore, stored_as: Spell, sent_as: Spell
) -> None:
    earlier = await stored_earlier(store, stored_as)

    await handled(
        router, message("integration.opportunity.updated", opportunityId=sent_as(earlier.subject))
    )

    assert 1 == await store.count(A_TENANT, ExecutionRecord, {})
    assert 2 == len((await as_it_is(store, earlier.id)).triggers)


async def test_its_own_event_that_comes_again_starts_nothing(
    router: Router, store: RecordStore
) -> None:
    earlier = await stored_earlier(store, str.upper, status="running")
    again = message(
        "integration.opportunity.updated", opportunityId=earlier.subject, id=earlier.trigger_ids[0]
    )

    await router.handle(Delivery(message=again, queue=INTAKE.name))

    assert 1 == await store.count(A_TENANT, ExecutionRecord, {})


async def test_it_is_run_again_once(store: RecordStore, bus: EventBus) -> None:
    earlier = await stored_earlier(store, str.upper, status="failed", completed_at=now())

    runs = [await rerun_execution(store, bus, A_TENANT, earlier.id) for _ in range(2)]

    assert runs[0].id == runs[1].id
    assert earlier.subject == runs[0].subject_on_wire
