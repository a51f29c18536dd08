"""Records as a test wants them: every field has a plausible value, the ones that matter are named
by the test.
"""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import msgspec
from msgspec.structs import replace

from blocks.contracts.approvals import Question
from blocks.contracts.ids import SYSTEM_TENANT, step_record_id
from blocks.contracts.records import (
    ApiKeyRecord,
    ApprovalRecord,
    ExecutionRecord,
    ProcessRecord,
    ReconcilerRecord,
    StandInRecord,
    StepRecord,
    TenantRecord,
    Trigger,
    WebhookSubscription,
    WorkflowDefinition,
)
from blocks.contracts.records.audit import AuditEntry
from blocks.ports import FlowRunView, Message
from blocks.webhooks.subscriptions import EVENT_TYPES

A_TENANT = "11111111-1111-4111-8111-111111111111"
ANOTHER_TENANT = "22222222-2222-4222-8222-222222222222"
AN_ID = "33333333-3333-4333-8333-333333333333"
"""For parameters of tests: their names must be the same in each process that collects them."""


def an_execution(**changes: Any) -> ExecutionRecord:
    """A pending opportunity analysis, caused by one event."""
    trigger = Trigger(
        event_id=new_id(),
        event_type="integration.opportunity.updated",
        received_at=now(),
        digest="0" * 64,
    )
    execution = ExecutionRecord(
        id=new_id(),
        tenant_id=A_TENANT,
        created_at=now(),
        workflow="opportunity-analysis",
        subject=new_id(),
        status="pending",
        triggers=[trigger],
        trigger_ids=[trigger.event_id],
        input={"amount": 1_500_000.0, "stage": "negotiation"},
        updated_at=now(),
    )
    return replace(execution, **changes)


def a_step(**changes: Any) -> StepRecord:
    """A step that was answered; its id follows from `execution_id` and `step` unless named."""
    execution_id, step = changes.pop("execution_id", new_id()), changes.pop("step", "risk_analysis")
    record = StepRecord(
        id=step_record_id(execution_id, step),
        tenant_id=A_TENANT,
        created_at=now(),
        execution_id=execution_id,
        step=step,
        step_id=new_id(),
        status="completed",
        completed_at=now(),
        result={"riskScore": 0.42},
        event_id=new_id(),
    )
    return replace(record, **changes)


def an_api_key(**changes: Any) -> ApiKeyRecord:
    """A live key of `A_TENANT` without a holder."""
    prefix = uuid4().hex[:12]
    key = ApiKeyRecord(
        id=f"api-key:{prefix}",
        tenant_id=SYSTEM_TENANT,
        created_at=now(),
        tenant=A_TENANT,
        prefix=prefix,
        name=prefix,
        roles=["viewer"],
        digest="0" * 64,
        expires_at=now() + timedelta(days=1),
    )
    return replace(key, **changes)


def an_approval(**changes: Any) -> ApprovalRecord:
    """An approval without a decision."""
    approval = ApprovalRecord(
        id=new_id(),
        tenant_id=A_TENANT,
        created_at=now(),
        opportunity_id=new_id(),
        risk_score=0.9,
        amount=2_000_000.0,
        requested_at=now(),
        execution_id=new_id(),
        workflow="opportunity-analysis",
        gate="approval",
    )
    return replace(approval, **changes)


def an_approval_asked_back(**changes: Any) -> ApprovalRecord:
    """One with a question that waits for its answer."""
    question = Question(text="Why so much?", actor="ann", at=now())
    return an_approval(execution_id=None, questions=[question], **changes)


def a_stand_in(**changes: Any) -> StandInRecord:
    """Bob decides for ann, this week."""
    stand_in = StandInRecord(
        id=new_id(),
        tenant_id=A_TENANT,
        created_at=now(),
        person="ann",
        stand_in="bob",
        starts_at=now() - timedelta(hours=1),
        ends_at=now() + timedelta(days=7),
    )
    return replace(stand_in, **changes)


def an_audit_entry(**changes: Any) -> AuditEntry:
    """A person has cancelled an execution."""
    entry = AuditEntry(
        id=new_id(),
        tenant_id=A_TENANT,
        created_at=now(),
        action="execution.cancel",
        actor="ann",
        credential="user-token",
        service=None,
        roles=["operator"],
        channel="api",
        request_id=new_id(),
        result="done",
        targets=["execution-1"],
        changes=[],
    )
    return replace(entry, **changes)


def a_definition(**changes: Any) -> WorkflowDefinition:
    """What a tenant wants of opportunity analysis."""
    definition = WorkflowDefinition(
        id="opportunity-analysis",
        tenant_id=A_TENANT,
        created_at=now(),
        critical_steps=["risk_analysis", "forecast"],
        step_timeout_seconds=300.0,
    )
    return replace(definition, **changes)


def a_webhook(**changes: Any) -> WebhookSubscription:
    """A subscription to every event there is."""
    webhook = WebhookSubscription(
        id=new_id(),
        tenant_id=A_TENANT,
        created_at=now(),
        url="https://hooks.example/approvals",
        event_types=sorted(EVENT_TYPES),
        secret="whsec_of-the-test",
    )
    return replace(webhook, **changes)


def a_dead_letter(
    *, code: str = "schema-invalid", reason: str = "no good", attempts: int = 1, **changes: Any
) -> Message:
    """A refused event of `A_TENANT`, as it comes from the bus."""
    rejected_at = changes.pop("rejected_at", None) or now()
    why = {
        "x-reject-code": code,
        "x-reject-reason": reason,
        "x-reject-attempts": str(attempts),
        "x-original-routing-key": "order.placed",
        "x-rejected-at": rejected_at.isoformat(),
    }
    event = {"id": new_id(), "type": "order.placed", "tenantId": A_TENANT, "data": {}}
    message = Message(
        id=str(event["id"]),
        routing_key="order.placed",
        body=msgspec.json.encode(event),
        timestamp=now(),
    )
    headers = {"tenantId": "a-tenant", **changes.pop("headers", {}), **why}
    return replace(message, **{"headers": headers, **changes})


def a_tenant_record(**changes: Any) -> TenantRecord:
    """A tenant's line in the directory; belongs to the platform."""
    tenant = changes.pop("tenant", A_TENANT)
    record = TenantRecord(
        id=f"tenant-{tenant}", tenant_id=SYSTEM_TENANT, created_at=now(), tenant=tenant
    )
    return replace(record, **changes)


def a_process(**changes: Any) -> ProcessRecord:
    """A worker that is alive and carries one flow run; belongs to the platform."""
    process = ProcessRecord(
        id=f"worker-{new_id()}",
        tenant_id=SYSTEM_TENANT,
        created_at=now(),
        role="worker",
        beat_at=now(),
        flow_run_ids=[new_id()],
    )
    return replace(process, **changes)


def a_reconciler_record(**changes: Any) -> ReconcilerRecord:
    """A process leads, and renewed a moment ago."""
    record = ReconcilerRecord(
        id=ReconcilerRecord.ID,
        tenant_id=SYSTEM_TENANT,
        created_at=now(),
        leader="host:1:abcd",
        leads_since=now(),
        renewed_at=now(),
        lease_seconds=6,
    )
    return replace(record, **changes)


def a_flow_run(**changes: Any) -> FlowRunView:
    """What Prefect says of a run of one execution that is at work."""
    run = FlowRunView(
        id=new_id(),
        state="running",
        state_name="Running",
        state_at=now(),
        run_count=1,
        message=None,
        tenant_id=A_TENANT,
        execution_ids=[new_id()],
    )
    return replace(run, **changes)


def new_id() -> str:
    return str(uuid4())


def now() -> datetime:
    return datetime.now(UTC)
