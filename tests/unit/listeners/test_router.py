"""The door of the listener: whatever comes through it gets a verdict, and nothing of it reaches a
place it must not.
"""

import json
from typing import Any

import pytest

from blocks.contracts import ids
from blocks.contracts.events import CONSUMED
from blocks.contracts.records import ApprovalRecord, ExecutionRecord
from blocks.ports import Accept, Delivery, Message, Query, RecordStore, Reject, Retry, Verdict
from listeners.router import Router
from tests.support.factories import A_TENANT, ANOTHER_TENANT, new_id, now

ODD = ["", "\u0000", "a/b?#\\", "x" * 190, "\U0001f980", "' OR 1=1 --", "{{ x }}", "\u202e"]
"""Texts that ids and names can be, and that no code expects."""


async def judged(router: Router, event: dict[str, Any]) -> Verdict:
    body = json.dumps(event).encode()
    message = Message(id=new_id(), routing_key=str(event["type"]), body=body, timestamp=now())
    return await router.handle(Delivery(message=message, queue="q"))


@pytest.mark.parametrize("event_type", CONSUMED)
async def test_odd_texts_and_numbers_get_a_verdict_from_every_handler(
    router: Router, event_type: str
) -> None:
    names = CONSUMED[event_type].__struct_encode_fields__
    odd: Any
    for odd in (*ODD, 10**400, -1, 1e308, True, None, [], {"a": {"__prefect_kind": "json"}}):
        for name in names:
            fine: dict[str, Any] = {
                "opportunityId": "o-1",
                "riskScore": 0.5,
                "mlRiskScore": 0.5,
                "amount": 1,
                "job": "outcome-sync",
                "shardId": "s-1",
                "shardType": "opportunity",
            }
            data = {**fine, name: odd}
            event = {"id": new_id(), "type": event_type, "tenantId": A_TENANT, "data": data}

            assert isinstance(await judged(router, event), Accept | Reject | Retry), (name, odd)


async def test_an_answer_for_another_tenants_execution_changes_nothing(
    router: Router, store: RecordStore
) -> None:
    event = {
        "id": "e-1",
        "type": "integration.opportunity.updated",
        "tenantId": A_TENANT,
        "data": {"opportunityId": "o"},
    }
    await judged(router, event)
    execution_id = ids.execution_id(A_TENANT, "opportunity-analysis", "e-1")
    before = await store.read(A_TENANT, ExecutionRecord, execution_id)

    answer = {"riskScore": 0.9, "workflowId": execution_id, "opportunityId": "o"}
    forged = {
        "id": "e-2",
        "type": "risk.evaluation.completed",
        "tenantId": ANOTHER_TENANT,
        "data": answer,
    }

    assert Retry(
        "unknown-execution", f"execution {execution_id} does not exist for tenant {ANOTHER_TENANT}"
    ) == (await judged(router, forged))
    assert before == await store.read(A_TENANT, ExecutionRecord, execution_id)
    assert [] == (await store.query(ANOTHER_TENANT, Query(ExecutionRecord))).items


@pytest.mark.parametrize(
    ("stated", "amount", "known"),
    [
        ({"amount": 0, "amountKnown": False}, 0, False),
        ({"amount": 5, "amountKnown": False}, 0, False),
        ({"amount": 5, "amountKnown": True}, 5, True),
        ({"amount": 5}, 5, True),
    ],
)
async def test_a_request_for_approval_keeps_whether_its_amount_is_known(
    router: Router, store: RecordStore, stated: dict[str, Any], amount: float, known: bool
) -> None:
    data = {"opportunityId": "o-1", "riskScore": 0.9, **stated}
    event = {"id": "e-1", "type": "hitl.approval.requested", "tenantId": A_TENANT, "data": data}

    assert isinstance(await judged(router, event), Accept)

    (found,) = (await store.query(A_TENANT, Query(ApprovalRecord, {}))).items
    assert (amount, known) == (found.record.amount, found.record.amount_known)
    assert f"its amount {5 if known else 'unknown'}." in found.record.summary
