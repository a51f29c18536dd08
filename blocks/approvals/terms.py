"""What a rule decides about an approval that is requested by it."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from blocks.approvals.conditions import judge_all
from blocks.contracts.approvals import ApprovalRule, Escalation, Stage, Terms
from blocks.contracts.reading.limits import SPAN_SECONDS_MAX


def terms_of(
    rule: ApprovalRule, now: datetime, facts: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The fields of its `ApprovalRecord`: who decides, until when, what happens meanwhile, and the
    stages that these facts call for.
    """
    stages = stages_for(rule, facts or {})
    return {"stages": stages, **(in_stage(stages[0], now) if stages else asked_from(rule, now))}


def stages_for(rule: ApprovalRule, facts: Mapping[str, Any]) -> list[Stage]:
    """Those whose conditions hold, or may hold. Where none does, all are asked: a gap between
    conditions must not leave fewer people to ask.
    """
    called_for = [
        stage
        for stage in rule.stages
        if judge_all(stage.conditions, facts, rule.on_unknown).holds is not False
    ]
    return called_for or list(rule.stages)


def in_stage(stage: Stage, now: datetime) -> dict[str, Any]:
    """The fields of a record whose stage begins now."""
    return {
        "stage": stage.name,
        "stage_began_at": now,
        "asked_again_at": None,
        **asked_from(stage, now),
    }


def asked_from(terms: Terms, now: datetime) -> dict[str, Any]:
    """The fields of a record that is under these terms from now on."""

    def after(seconds: float) -> datetime:
        # a definition may be older than the bound
        return now + timedelta(seconds=min(seconds, SPAN_SECONDS_MAX))

    return {
        "policy": terms.policy,
        "due_at": after(terms.due_after_seconds) if terms.due_after_seconds else None,
        "expires_at": after(terms.expires_after_seconds) if terms.expires_after_seconds else None,
        "on_expiry": terms.on_expiry,
        "reminders": sorted(after(seconds) for seconds in terms.remind_after_seconds),
        "escalations": [
            Escalation(at=after(one.after_seconds), approvers=one.approvers)
            for one in terms.escalations
        ],
    }
