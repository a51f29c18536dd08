"""Examples of approvals."""

from datetime import UTC, datetime, timedelta

from api.approvals.bulk_documents import ManyResults, OneResult
from api.approvals.documents import (
    ApprovalHistory,
    ApprovalPage,
    ApprovalVerdict,
    DecisionBody,
    Delegation,
    Extension,
    ManyDecisions,
    NamedDecision,
    NewApproval,
    OneOfMany,
    QuestionOrAnswer,
    Withdrawal,
    approval_of,
)
from api.approvals.documents import summary_of as approval_summary_of
from api.documentation.requests import add_requests
from api.http.example_data import BEGIN, EXECUTION_ID, OPPORTUNITY, TENANT
from blocks.contracts import analysis, ids
from blocks.contracts.approvals import ApprovalPolicy, Approvers, Decision, HistoryEntry
from blocks.contracts.records import ApprovalRecord

_LATER = datetime(2099, 1, 1, tzinfo=UTC)
_APPROVAL = ApprovalRecord(
    id=ids.approval_id(EXECUTION_ID, "analysis"),
    tenant_id=TENANT,
    created_at=BEGIN,
    opportunity_id=OPPORTUNITY,
    subject=OPPORTUNITY,
    risk_score=0.86,
    amount=1_250_000,
    requested_at=BEGIN,
    status="approved",
    execution_id=EXECUTION_ID,
    workflow=analysis.WORKFLOW,
    gate="analysis",
    owner_id="u-311",
    decided_by="u-208",
    decided_at=BEGIN + timedelta(minutes=20),
    decided_through="api",
    comment="Checked with legal",
    summary="**Approve this opportunity?** Its risk score is 0.86, its amount 1,250,000.",
    context={"risk": {"riskScore": 0.86}},
    policy=ApprovalPolicy(approvers=Approvers(roles=("sales-director",))),
    expires_at=BEGIN + timedelta(days=2),
    decisions=[
        Decision(
            actor="u-208",
            channel="api",
            outcome="approved",
            at=BEGIN + timedelta(minutes=20),
            reason="Checked with legal",
        )
    ],
    history=[
        HistoryEntry(what="requested", at=BEGIN, actor=analysis.WORKFLOW),
        HistoryEntry(
            what="decided",
            at=BEGIN + timedelta(minutes=20),
            actor="u-208",
            channel="api",
            outcome="approved",
        ),
    ],
    version=2,
)
APPROVAL = approval_of(_APPROVAL)
APPROVAL_PAGE = ApprovalPage(
    items=[approval_summary_of(_APPROVAL)],
    continuation="eyJhZnRlciI6IDUwfQ",
    counts={"pending": 0, "approved": 1, "rejected": 0, "expired": 0, "cancelled": 0},
)
APPROVAL_HISTORY = ApprovalHistory(items=_APPROVAL.history, total=len(_APPROVAL.history))
MANY_RESULTS = ManyResults(results=[OneResult(id=_APPROVAL.id, status=200, approval=APPROVAL)])
add_requests(
    NewApproval(
        subject="discount-4711",
        summary="A discount of 18 % for customer 208.",
        risk_score=0.4,
        amount=120_000,
        policy=ApprovalPolicy(approvers=Approvers(users=("u-208",), roles=("sales-director",))),
        expires_at=_LATER,
    ),
    ApprovalVerdict(decided_by="u-208", comment="Checked with legal"),
    NamedDecision(outcome="approved", reason="Checked with legal", decided_by="u-208"),
    DecisionBody(outcome="approved", reason="Checked with legal"),
    ManyDecisions(
        decisions=[
            OneOfMany(
                id=_APPROVAL.id,
                outcome="approved",
                reason="Checked with legal",
                decided_by="u-208",
            )
        ]
    ),
    Delegation(to="u-311", reason="I am away"),
    QuestionOrAnswer(text="Does the customer pay in advance?"),
    Extension(expires_at=_LATER),
    Withdrawal(reason="the deal is lost"),
)
