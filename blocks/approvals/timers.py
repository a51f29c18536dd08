"""What time alone does to a pending approval: reminders, escalations, expiry; pure. Ours, never
Prefect's.
"""

from datetime import datetime

from msgspec.structs import replace

from blocks.approvals.decisions import advanced, changed, is_overdue
from blocks.contracts.approvals import Approvers, Escalation, HistoryEntry
from blocks.contracts.records import ApprovalRecord

CLOCK = "clock"
"""Recorded as the decider when the expiry decides."""


NEVER = 253_402_300_799.0
"""The last second of the year 9999: nothing that time alone does is ahead."""


def with_next_look(approval: ApprovalRecord) -> ApprovalRecord:
    """The approval with the time of its next check; the very same object if that is unchanged."""
    next_at = _next_look(approval)
    return approval if approval.next_at == next_at else replace(approval, next_at=next_at)


def _next_look(approval: ApprovalRecord) -> float | None:
    if approval.status != "pending" or approval.published_count < len(approval.history):
        return None  # something is due: at every sweep, until it is settled
    moments = [*approval.reminders, *(one.at for one in approval.escalations)]
    moments += [approval.expires_at] if approval.expires_at else []
    return min((at.timestamp() for at in moments), default=NEVER)


def apply_timers(approval: ApprovalRecord, now: datetime) -> ApprovalRecord:
    """The approval as it must be at this moment; the very same if nothing was due."""
    if approval.status != "pending":
        return approval
    for escalation in [one for one in approval.escalations if one.at <= now]:
        approval = _escalated(approval, escalation, now)
    if is_overdue(approval, now):
        return _at_its_end(approval, now)
    if any(at <= now for at in approval.reminders):
        # Several that fell due between two sweeps are one reminder.
        later = [at for at in approval.reminders if at > now]
        return changed(
            approval, HistoryEntry(what="reminded", at=now, actor=CLOCK), reminders=later
        )
    return approval


def _escalated(approval: ApprovalRecord, escalation: Escalation, now: datetime) -> ApprovalRecord:
    """More people may decide. If everybody might before, everybody still may."""
    before, more = approval.policy.approvers, escalation.approvers
    if before.users or before.roles:
        users = (*before.users, *(user for user in more.users if user not in before.users))
        roles = (*before.roles, *(role for role in more.roles if role not in before.roles))
        approval = replace(
            approval, policy=replace(approval.policy, approvers=Approvers(users=users, roles=roles))
        )
    entry = HistoryEntry(
        what="escalated",
        at=now,
        actor=CLOCK,
        note=", ".join([*more.users, *(f"role {role}" for role in more.roles)]),
    )
    return changed(
        approval, entry, escalations=[one for one in approval.escalations if one is not escalation]
    )


def _at_its_end(approval: ApprovalRecord, now: datetime) -> ApprovalRecord:
    """Expired; or, if it escalates and people are left to ask, open for as long again; or, if
    silence approves this stage and another follows, in that.
    """
    if approval.on_expiry == "escalate" and approval.escalations:
        assert approval.expires_at is not None
        patience = approval.expires_at - approval.asked_since
        asked_more = _escalated(approval, approval.escalations[0], now)
        return replace(asked_more, expires_at=now + patience, asked_again_at=now)
    if approval.on_expiry == "approve" and approval.later_stages:
        return advanced(approval, CLOCK, now)
    entry = HistoryEntry(what="expired", at=now, actor=CLOCK, outcome=outcome_of_expiry(approval))
    return changed(approval, entry, status="expired", decided_by=CLOCK, decided_at=now)


def outcome_of_expiry(approval: ApprovalRecord) -> str:
    return {"approve": "approved", "reject": "rejected"}.get(approval.on_expiry, "failed")
