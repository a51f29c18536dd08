"""What a rule decides about an approval that is requested by it."""

from datetime import datetime, timedelta
from typing import Any

from blocks.contracts.approvals import ApprovalRule, Escalation
from blocks.contracts.reading.limits import SPAN_SECONDS_MAX


def terms_of(rule: ApprovalRule, now: datetime) -> dict[str, Any]:
    """The fields of its `ApprovalRecord`: who decides, until when, and what happens meanwhile."""

    def after(seconds: float) -> datetime:
        # a definition may be older than the bound
        return now + timedelta(seconds=min(seconds, SPAN_SECONDS_MAX))

    return {
        "policy": rule.policy,
        "due_at": after(rule.due_after_seconds) if rule.due_after_seconds else None,
        "expires_at": after(rule.expires_after_seconds) if rule.expires_after_seconds else None,
        "on_expiry": rule.on_expiry,
        "reminders": sorted(after(seconds) for seconds in rule.remind_after_seconds),
        "escalations": [
            Escalation(at=after(one.after_seconds), approvers=one.approvers)
            for one in rule.escalations
        ],
    }
