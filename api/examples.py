"""One example per document, built from the real types: they cannot show a field that is not there."""

from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from api.approvals.bulk_documents import ManyResults, OneResult
from api.approvals.documents import ApprovalHistory, ApprovalPage, approval_of
from api.approvals.documents import summary_of as approval_summary_of
from api.dead_letters.documents import DeadLetterPage, ReplayScheduled
from api.dead_letters.documents import document_of as dead_letter_of
from api.dead_letters.documents import summary_of as dead_letter_summary_of
from api.dispatch_documents import Dispatch
from api.executions.documents import ExecutionPage, document_of, summary_of
from api.executions.workflow_documents import RetryInitiated, WorkflowList, workflow_of
from api.jobs.documents import BatchJob, JobList, JobRun, JobTriggered
from api.key_documents import KeyList, key_of
from api.key_documents import created_of as created_key_of
from api.live.events import LiveEvent
from api.usage_documents import AcceptedExecutions, OpenWork, TenantLimits, Usage
from api.webhook_documents import WebhookList, changed_of, created_of, webhook_of
from blocks.contracts import analysis, ids, jobs
from blocks.contracts.approvals import ApprovalPolicy, Approvers, Decision, HistoryEntry
from blocks.contracts.dead_letters import DeadLetterBody, DeadLetterRecord, LetterEntry
from blocks.contracts.records import (
    ApiKeyRecord,
    ApprovalRecord,
    ExecutionRecord,
    StepRecord,
    TenantShare,
    Trigger,
    WebhookSubscription,
)

TENANT = "3f0c2e58-6a4b-4c1d-9a57-0f6f8d3b2a11"
OPPORTUNITY = "9b6ce3f0-2f65-4d2b-8a9e-5a1f7c0d4e22"

_EVENT = "c4e1a7d2-88b3-4f0e-b6d5-1e9a3c7f5b33"
_ID = ids.execution_id(TENANT, analysis.WORKFLOW, _EVENT)
_BEGIN = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)
_RESULTS = {
    "risk_analysis": {"evaluationId": "ev-1027", "riskScore": 0.42, "detectedRisks": []},
    "risk_scoring": {"scoringId": "sc-2044", "mlRiskScore": 0.39, "modelId": "risk-model-7", "confidence": 0.91},
    "forecast": {"forecastId": "fc-3310", "revenueForecast": 480000, "confidence": 0.77},
    "recommendation": {"recommendationId": "rc-4096", "recommendations": [], "count": 0},
}

_RECORD = ExecutionRecord(
    id=_ID,
    tenant_id=TENANT,
    workflow=analysis.WORKFLOW,
    subject=OPPORTUNITY,
    status="completed",
    triggers=[Trigger(event_id=_EVENT, event_type="integration.opportunity.updated", received_at=_BEGIN, digest="")],
    trigger_ids=[_EVENT],
    input={},
    created_at=_BEGIN,
    started_at=_BEGIN + timedelta(seconds=1),
    completed_at=_BEGIN + timedelta(seconds=4),
    updated_at=_BEGIN + timedelta(seconds=4),
    results={step.result_key: _RESULTS[step.name] for step in analysis.ANALYSIS_STEPS},
)

_STEPS = [
    StepRecord(
        id=ids.step_record_id(_ID, step.name),
        tenant_id=TENANT,
        execution_id=_ID,
        step=step.name,
        step_id=ids.step_id(_ID, step.name),
        status="completed",
        created_at=_BEGIN + timedelta(seconds=3),
        completed_at=_BEGIN + timedelta(seconds=3),
        result=_RESULTS[step.name],
    )
    for step in analysis.ANALYSIS_STEPS
]

EXECUTION = document_of(_RECORD, _STEPS)
EXECUTION_PAGE = ExecutionPage(executions=[summary_of(_RECORD)], continuation="eyJhZnRlciI6IDUwfQ")
WORKFLOW = workflow_of(_RECORD, _STEPS)
WORKFLOW_LIST = WorkflowList(workflows=[WORKFLOW], total=1)
RETRY_INITIATED = RetryInitiated(workflow_id=_ID)
LIVE_EVENT = LiveEvent(
    event_id=ids.step_completed_event_id(_ID, "forecast"),
    type="workflow.step.completed",
    timestamp=_BEGIN + timedelta(seconds=3),
    tenant_id=TENANT,
    execution_id=_ID,
    workflow=analysis.WORKFLOW,
    subject=OPPORTUNITY,
    data={
        "workflowId": _ID,
        "stepId": ids.step_id(_ID, "forecast"),
        "stepType": "forecast",
        "result": _RESULTS["forecast"],
    },
)
_APPROVAL = ApprovalRecord(
    id=ids.approval_id(_ID, "analysis"),
    tenant_id=TENANT,
    created_at=_BEGIN,
    opportunity_id=OPPORTUNITY,
    subject=OPPORTUNITY,
    risk_score=0.86,
    amount=1_250_000,
    requested_at=_BEGIN,
    status="approved",
    execution_id=_ID,
    workflow=analysis.WORKFLOW,
    gate="analysis",
    owner_id="u-311",
    decided_by="u-208",
    decided_at=_BEGIN + timedelta(minutes=20),
    decided_through="api",
    comment="Checked with legal",
    summary="**Approve this opportunity?** Its risk score is 0.86, its amount 1,250,000.",
    context={"risk": {"riskScore": 0.86}},
    policy=ApprovalPolicy(approvers=Approvers(roles=("sales-director",))),
    expires_at=_BEGIN + timedelta(days=2),
    decisions=[
        Decision(
            actor="u-208",
            channel="api",
            outcome="approved",
            at=_BEGIN + timedelta(minutes=20),
            reason="Checked with legal",
        )
    ],
    history=[
        HistoryEntry(what="requested", at=_BEGIN, actor=analysis.WORKFLOW),
        HistoryEntry(
            what="decided", at=_BEGIN + timedelta(minutes=20), actor="u-208", channel="api", outcome="approved"
        ),
    ],
    version=2,
)
APPROVAL = approval_of(_APPROVAL)
APPROVAL_PAGE = ApprovalPage(
    approvals=[approval_summary_of(_APPROVAL)],
    continuation="eyJhZnRlciI6IDUwfQ",
    counts={"pending": 0, "approved": 1, "rejected": 0, "expired": 0, "cancelled": 0},
)
APPROVAL_HISTORY = ApprovalHistory(approval_id=_APPROVAL.id, history=_APPROVAL.history)
MANY_RESULTS = ManyResults(results=[OneResult(id=_APPROVAL.id, status=200, approval=APPROVAL)])

_JOB_RUN = JobRun(
    execution_id=ids.execution_id(ids.SYSTEM_TENANT, jobs.WORKFLOW, _EVENT),
    status="completed",
    triggered_by="scheduler",
    triggered_at=_BEGIN,
    ended_at=_BEGIN + timedelta(minutes=4),
)
JOB_LIST = JobList(
    jobs=[
        BatchJob(
            job=job.id,
            description=job.description,
            schedule=job.cron,
            time_zone="UTC",
            is_active=job.active,
            accepts={field.name: field.accepted for field in job.fields},
            misfire=job.misfire,
            max_lateness_seconds=int(job.max_lateness.total_seconds()),
            overlap=job.overlap,
            report_within_seconds=int(job.report_within.total_seconds()),
            next_run=_BEGIN + timedelta(days=1),
            last_run=_JOB_RUN,
        )
        for job in (jobs.JOB_BY_ID["risk-clustering"],)
    ]
)
JOB_TRIGGERED = JobTriggered(
    execution_id=_JOB_RUN.execution_id,
    status="running",
    triggered_by="api",
    triggered_at=_BEGIN,
    job="risk-clustering",
    event_id=_EVENT,
    metadata={"tenantIds": [TENANT]},
)
DISPATCH = Dispatch(
    default=TenantShare(),
    tenants={TENANT: TenantShare(weight=3, priority=1, running_max=200)},
    running_max=2000,
    batch_max=200,
)

_WEBHOOK = WebhookSubscription(
    id="0c7a8c4e-5d0f-4f43-8a0e-6b1f5d2c9e77",
    tenant_id=TENANT,
    created_at=_BEGIN,
    url="https://hooks.customer.example/approvals",
    event_types=["hitl.approval.completed", "hitl.approval.requested"],
    secret="whsec_8fJq2cW0nT5rXyK1vB7mZ3aLdE6sGhU9",
)
WEBHOOK = webhook_of(_WEBHOOK)
CREATED_WEBHOOK = created_of(_WEBHOOK)
CHANGED_WEBHOOK = changed_of(_WEBHOOK, with_secret=True)
WEBHOOK_LIST = WebhookList(webhooks=[WEBHOOK])

_API_KEY = ApiKeyRecord(
    id="api-key:8c1f0a6b2d4e",
    tenant_id=ids.SYSTEM_TENANT,
    created_at=_BEGIN,
    tenant=TENANT,
    prefix="8c1f0a6b2d4e",
    name="billing",
    roles=["viewer"],
    digest="",
    expires_at=_BEGIN + timedelta(days=90),
    last_used_at=_BEGIN + timedelta(minutes=20),
)
KEY_LIST = KeyList(keys=[key_of(_API_KEY)])
CREATED_KEY = created_key_of(replace(_API_KEY, last_used_at=None), "wfo_8c1f0a6b2d4e_…")
REVOKED_KEY = key_of(replace(_API_KEY, revoked_at=_BEGIN + timedelta(days=30)))

USAGE = Usage(
    at=_BEGIN,
    accepted={
        analysis.WORKFLOW: AcceptedExecutions(today=214, this_month=4711),
        jobs.WORKFLOW: AcceptedExecutions(today=0, this_month=3),
    },
    now=OpenWork(pending=12, running=40, awaiting_approval=3, pending_approvals=3, dead_letters=0),
    limits=TenantLimits(requests_per_minute=6000, running_max=200, weight=3, priority=1),
)

_REFUSED = b'{"id": "c4e1a7d2", "type": "integration.opportunity.updated", "data": {}}'
_LETTER = DeadLetterRecord(
    id="5b0f6a5e-6a0f-5d0b-9f0a-2f5d7c1e8a44",
    tenant_id=TENANT,
    created_at=_BEGIN,
    queue="workflow_orchestrator_service",
    message_id="c4e1a7d2",
    routing_key="integration.opportunity.updated",
    event_type="integration.opportunity.updated",
    published_at=_BEGIN,
    headers={},
    code="schema-invalid",
    reason="Object missing required field `opportunityId` - at `data`",
    attempts=1,
    rejected_at=_BEGIN,
    size=len(_REFUSED),
    digest="",
    history=[LetterEntry(what="refused", at=_BEGIN, note="schema-invalid")],
)
_LETTER_BODY = DeadLetterBody(
    id=_LETTER.body_id,
    tenant_id=TENANT,
    created_at=_BEGIN,
    letter_id=_LETTER.id,
    encoding="utf-8",
    content=_REFUSED.decode(),
)
DEAD_LETTER = dead_letter_of(_LETTER, _LETTER_BODY)
DEAD_LETTER_PAGE = DeadLetterPage(dead_letters=[dead_letter_summary_of(_LETTER)], continuation="eyJhZnRlciI6IDUwfQ")
REPLAY_SCHEDULED = ReplayScheduled(scheduled=200, skipped=3, more=False, last_at=_BEGIN + timedelta(seconds=20))
