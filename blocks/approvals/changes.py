"""What else can happen to an approval while it is pending: each a new record from an
old one; pure.
"""

from datetime import datetime

from msgspec.structs import replace

from blocks.approvals.decisions import (
    AlreadyVoted,
    InvalidVote,
    Refused,
    changed,
    check_actor,
    check_open,
    has_voted,
    of_stage,
)
from blocks.approvals.people import how_many, is_same
from blocks.contracts.approvals import Approvers, HistoryEntry
from blocks.contracts.identities import NoIdentity, spelled, user_id
from blocks.contracts.records import ApprovalRecord

LINKS_MAX = 100
"""Of one approval. Counted on its record, so the ETag check of every addition enforces the limit.
"""

ENTRIES_MAX = 500
"""In its history, of what people do to it besides deciding; what ends an approval
always has room.
"""


class ApprovalFull(Refused):
    """As much has happened to it as may; it can still be decided and cancelled."""


class ClaimedByAnother(Refused):
    """Another user has claimed it; `approval.claimed_by` is that user."""

    def __init__(self, approval: ApprovalRecord) -> None:
        super().__init__(approval, f"approval {approval.id} is claimed by {approval.claimed_by}")


def claimed(
    approval: ApprovalRecord, actor: str, roles: frozenset[str], now: datetime
) -> ApprovalRecord:
    """The others see that this person has it in hand; they may still decide."""
    check_open(approval, now)
    check_entries(approval)
    check_actor(approval, actor, roles)
    if approval.claimed_by and not is_same(approval, actor, [approval.claimed_by]):
        raise ClaimedByAnother(approval)
    return changed(approval, HistoryEntry(what="claimed", at=now, actor=actor), claimed_by=actor)


def released(approval: ApprovalRecord, actor: str, now: datetime) -> ApprovalRecord:
    """No one has claimed it any more."""
    check_open(approval, now)
    check_entries(approval)
    if approval.claimed_by and not is_same(approval, actor, [approval.claimed_by]):
        raise ClaimedByAnother(approval)
    return changed(approval, HistoryEntry(what="released", at=now, actor=actor), claimed_by=None)


def delegated(
    approval: ApprovalRecord,
    actor: str,
    roles: frozenset[str],
    to: str,
    note: str | None,
    now: datetime,
) -> ApprovalRecord:
    """`to` may decide in place of `actor`, who is an approver, has not voted, and may not vote any
    more.

    Raises `AlreadyVoted`; `InvalidVote` for an heir who has no vote to win, or would leave too few
    for the quorum.
    """
    check_open(approval, now)
    check_entries(approval)
    check_actor(approval, actor, roles)
    to = _heir(approval, actor, to)
    before = approval.policy.approvers
    users = (*(user for user in before.users if not is_same(approval, user, (actor, to))), to)
    approvers = replace(before, users=users)
    policy = replace(approval.policy, approvers=approvers)
    handed_on = [
        *(one for one in approval.handed_on if not is_same(approval, one, (actor, to))),
        spelled(actor),
    ]
    after = replace(approval, policy=policy, handed_on=handed_on)
    if not _can_reach_quorum(after):
        raise InvalidVote(
            approval, "to", f"fewer people than the quorum of {policy.quorum} would be left"
        )
    entry = HistoryEntry(
        what="delegated", at=now, actor=actor, note=f"to {to}: {note}" if note else f"to {to}"
    )
    return changed(after, entry, claimed_by=None)


def _heir(approval: ApprovalRecord, actor: str, to: str) -> str:
    """Who decides in the place of the actor, in the one spelling of their id."""
    if has_voted(approval, actor):
        raise AlreadyVoted(
            approval, f"{actor} has voted on {approval.id}, and has nothing left to delegate"
        )
    try:
        heir = user_id(to)
    except NoIdentity as error:
        raise InvalidVote(approval, "to", str(error)) from None
    if is_same(approval, heir, (actor,)):
        raise InvalidVote(approval, "to", "must be another person")
    if has_voted(approval, heir):
        raise InvalidVote(approval, "to", f"{heir} has voted already")
    # The place that was handed on may come back; all else that forbids a vote forbids it here, too.
    everybody = replace(approval.policy, approvers=Approvers())
    check_actor(replace(approval, policy=everybody, handed_on=[]), heir, frozenset())
    return heir


def _can_reach_quorum(approval: ApprovalRecord) -> bool:
    """Whether enough different people are left; how many hold a role is not known here."""
    policy = approval.policy
    if policy.approvers.roles or policy.approvers.is_everybody:
        return True
    barred = [*approval.handed_on, *([] if policy.allow_self else [approval.requested_by or ""])]
    votes = of_stage(approval)
    here = [one.on_behalf_of or one.actor for one in votes]
    people = [
        user
        for user in policy.approvers.users
        if is_same(approval, user, here)
        or not (is_same(approval, user, barred) or has_voted(approval, user))
    ]
    return how_many(approval, people) >= policy.quorum


def linked(approval: ApprovalRecord, actor: str, recipient: str, now: datetime) -> ApprovalRecord:
    """A link for the recipient, who must be an approver by name, has been made."""
    check_open(approval, now)
    _check_user(approval, "recipient", recipient)
    check_actor(approval, recipient, frozenset())
    check_entries(approval)
    if sum(entry.what == "linked" for entry in approval.history) >= LINKS_MAX:
        raise ApprovalFull(
            approval, f"approval {approval.id} has {LINKS_MAX} links, and may have no more"
        )
    return changed(
        approval, HistoryEntry(what="linked", at=now, actor=actor, note=f"for {recipient}")
    )


def _check_user(approval: ApprovalRecord, field: str, stated: str) -> None:
    try:
        user_id(stated)
    except NoIdentity as error:
        raise InvalidVote(approval, field, str(error)) from None


def reminded(approval: ApprovalRecord, actor: str, now: datetime) -> ApprovalRecord:
    """Its approvers are reminded."""
    check_open(approval, now)
    check_entries(approval)
    return changed(approval, HistoryEntry(what="reminded", at=now, actor=actor))


def extended(
    approval: ApprovalRecord, actor: str, roles: frozenset[str], expires_at: datetime, now: datetime
) -> ApprovalRecord:
    """It expires later, if an approver gives it more time.

    Raises `InvalidVote` for a moment that is not later than now and than before, and as
    `check_actor` does.
    """
    check_open(approval, now)
    check_actor(approval, actor, roles)
    check_entries(approval)
    if expires_at <= max(now, approval.expires_at or now):
        raise InvalidVote(approval, "expiresAt", "must be later than it is now, and in the future")
    entry = HistoryEntry(what="extended", at=now, actor=actor, note=f"to {expires_at.isoformat()}")
    return changed(approval, entry, expires_at=expires_at)


def cancelled(
    approval: ApprovalRecord, actor: str, reason: str | None, now: datetime
) -> ApprovalRecord:
    """Withdrawn. An overdue approval can still be cancelled until its timer has been applied."""
    if approval.status != "pending":
        check_open(approval, now)
    entry = HistoryEntry(what="cancelled", at=now, actor=actor, note=reason)
    return changed(
        approval, entry, status="cancelled", decided_by=actor, decided_at=now, comment=reason
    )


def check_entries(approval: ApprovalRecord) -> None:
    """Raises `ApprovalFull` if its history has no room for what does not decide it."""
    if len(approval.history) >= ENTRIES_MAX:
        raise ApprovalFull(
            approval,
            f"approval {approval.id} has a history of {ENTRIES_MAX} entries: decide or cancel",
        )
