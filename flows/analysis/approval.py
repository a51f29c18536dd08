"""An analysis' approval: who decides, by its tenant's rule, and what they see of the analysis."""

from collections.abc import Sequence
from typing import Any

from blocks.approvals.terms import terms_of
from blocks.clock import utc_now
from blocks.contracts.analysis import WORKFLOW
from blocks.contracts.approvals import ApprovalRule, HistoryEntry
from blocks.contracts.events import JsonObject
from blocks.contracts.opportunity_facts import Amount, Unknown
from blocks.contracts.records import ApprovalRecord, ExecutionRecord
from flows.shared.approval_gate import own_approval_id

GATE = "analysis"


def approval_of(
    record: ExecutionRecord,
    rule: ApprovalRule,
    *,
    amount: Amount,
    owner_id: str | None,
    reasons: Sequence[str],
    facts: JsonObject,
) -> ApprovalRecord:
    """The approval to request. `reasons`: why the rule could not be judged, if so. `facts`: what
    its stages depend on.
    """
    now = utc_now()
    risk = (record.results or {}).get("risk", {})
    return ApprovalRecord(
        id=own_approval_id(record),
        tenant_id=record.tenant_id,
        created_at=now,
        opportunity_id=record.subject_on_wire,
        subject=record.subject,
        risk_score=float(risk.get("riskScore") or 0),
        amount=0.0 if isinstance(amount, Unknown) else float(amount),
        amount_known=not isinstance(amount, Unknown),
        requested_at=now,
        requested_by=_requester(record),
        execution_id=record.id,
        retry=record.retries,
        workflow=record.workflow,
        gate=GATE,
        owner_id=owner_id,
        correlation_id=risk.get("evaluationId"),
        summary=_summary(record, risk, amount, reasons),
        context=_context(record, reasons),
        form_schema=rule.form_schema,
        on_reject=rule.on_reject,
        **terms_of(rule, now, facts),
        history=[HistoryEntry(what="requested", at=now, actor=WORKFLOW)],
    )


def _requester(record: ExecutionRecord) -> str:
    """Who caused the analysis, and so may not decide its approval; the workflow itself, if no event
    names a user.
    """
    return next((trigger.actor for trigger in record.triggers if trigger.actor), WORKFLOW)


def _summary(
    record: ExecutionRecord, risk: dict[str, Any], amount: Amount, reasons: Sequence[str]
) -> str:
    risks = len(risk.get("detectedRisks") or [])
    score = risk.get("riskScore", "unknown")
    states = f"unknown ({amount.reason})" if isinstance(amount, Unknown) else f"{amount:,.0f}"
    asked = (
        f"**Approve opportunity {record.subject}?** Its risk score is {score}, "
        f"with {risks} detected risks, and its amount is {states}."
    )
    return f"{asked} The rule cannot be judged: {'; '.join(reasons)}." if reasons else asked


def _context(record: ExecutionRecord, reasons: Sequence[str]) -> dict[str, Any]:
    """What the person must see, with the reasons why the rule could not be judged."""
    results = record.results or {}
    context: dict[str, Any] = {
        key: results[key] for key in ("risk", "forecast", "recommendations") if key in results
    }
    return {**context, "reasons": list(reasons)} if reasons else context
