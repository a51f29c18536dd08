"""Events that belong to what the older orchestrator had begun."""

from typing import Any

import msgspec
import pytest

from blocks.contracts.records import ApprovalRecord, StepRecord
from blocks.contracts.records.dead_letters import DeadLetterRecord
from blocks.ports import Accept, Delivery, Message, Query, RecordStore, Retry, Verdict
from listeners.router import Router
from tests.support.factories import A_TENANT, AN_ID, ANOTHER_TENANT, new_id, now
from tests.support.older_service import left_behind, older_approval, older_workflow


async def judged(router: Router, event_type: str, tenant_id: str, data: dict[str, Any]) -> Verdict:
    event = {"id": new_id(), "type": event_type, "tenantId": tenant_id, "data": data}
    body = msgspec.json.encode(event)
    message = Message(id=new_id(), routing_key=event_type, body=body, timestamp=now())
    return await router.handle(Delivery(message=message, queue="q"))


async def test_an_answer_that_the_older_service_had_asked_for_is_no_dead_letter(
    router: Router, store: RecordStore
) -> None:
    workflow = older_workflow(status="running", completedAt=None)
    await left_behind(store, "workflow_workflows", workflow)
    data = {"riskScore": 0.9, "workflowId": workflow["id"], "opportunityId": "o"}

    verdict = await judged(router, "risk.evaluation.completed", A_TENANT, data)
    foreign = await judged(router, "risk.evaluation.completed", ANOTHER_TENANT, data)

    assert (Accept, Retry) == (type(verdict), type(foreign))
    for kind in (StepRecord, DeadLetterRecord):
        assert 0 == await store.count(A_TENANT, kind)


@pytest.mark.parametrize("status", ["pending", "approved"])
@pytest.mark.parametrize(
    ("changes", "count"),
    [({}, 1), ({"correlationId": AN_ID}, 2), ({"opportunityId": "another"}, 2)],
)
async def test_a_request_that_the_older_service_has_recorded_is_known(
    router: Router, store: RecordStore, status: str, changes: dict[str, Any], count: int
) -> None:
    approval = older_approval(status=status)
    await left_behind(store, "hitl_approvals", approval)
    fields = ("opportunityId", "riskScore", "amount", "correlationId")
    data = {**{key: approval[key] for key in fields}, **changes}

    for _ in range(2):
        assert Accept() == await judged(router, "hitl.approval.requested", A_TENANT, data)

    assert count == len((await store.query(A_TENANT, Query(ApprovalRecord))).items)
