"""What a person's vote makes of an approval, or why it does not count; pure. Every channel decides
through this.

Refusals are exceptions, named for what happened; each edge translates them once.
"""

from datetime import datetime

import msgspec

from blocks.approvals.forms import check_form
from blocks.approvals.people import include, is_same, knowing, parties
from blocks.approvals.terms import in_stage
from blocks.contracts.approvals import Decision, HistoryEntry, Outcome, What
from blocks.contracts.events import JsonObject
from blocks.contracts.identities import CLAIMED, is_claim, spelled
from blocks.contracts.records import ApprovalRecord, StandInRecord


class ApproverAct(msgspec.Struct, frozen=True, kw_only=True):
    """Who does something that only an approver may, and through which channel it came."""

    actor: str
    channel: str
    roles: frozenset[str] = frozenset()
    other_names: frozenset[str] = frozenset()
    """Of the same person, as the credential proves them."""
    is_proven: bool = True
    """False: the actor is a name that nothing proves, and counts like a claimed one."""
    stands_in: tuple[StandInRecord, ...] = ()
    """Who has named the actor as their stand-in."""


class Vote(ApproverAct, frozen=True, kw_only=True):
    """One person's decision."""

    outcome: Outcome
    reason: str | None = None
    form: JsonObject | None = None
    link: str | None = None
    """The nonce of the link through which it came."""
    stage: str | None = None
    """The one that the person has read; empty: one without a name, None: whichever is asked."""


class Refused(Exception):
    """The approval stays as it is; `approval` is its current state."""

    def __init__(self, approval: ApprovalRecord, message: str) -> None:
        super().__init__(message)
        self.approval = approval


class AlreadyDecided(Refused):
    """Another decision came first; `approval` carries the decision that counts."""

    def __init__(self, approval: ApprovalRecord) -> None:
        super().__init__(
            approval, f"approval {approval.id} is not pending: it is {approval.status}"
        )


class StageDecided(AlreadyDecided):
    """The stage that this vote was for was decided first; `approval` is in another."""

    def __init__(self, approval: ApprovalRecord, stage: str | None) -> None:
        message = f"stage {stage} of approval {approval.id} is decided: {approval.stage} is asked"
        Refused.__init__(self, approval, message)


class Expired(Refused):
    """Its time is over."""

    def __init__(self, approval: ApprovalRecord) -> None:
        super().__init__(approval, f"approval {approval.id} has expired")


class NotAnApprover(Refused):
    """Others may decide this one."""


class SelfApproval(Refused):
    """The requester may not decide it. The owner of its subject may: they are asked first."""


class AlreadyVoted(Refused):
    """This person has approved already; the quorum counts different people."""


class LinkUsed(Refused):
    """This link has already been used for a decision."""


class InvalidVote(Refused):
    """The decision is incomplete or wrong; `field` names the part at fault."""

    def __init__(self, approval: ApprovalRecord, field: str, message: str) -> None:
        super().__init__(approval, f"{field}: {message}")
        self.field = field
        self.reason = message


def decided(approval: ApprovalRecord, vote: Vote, now: datetime) -> ApprovalRecord:
    """The approval with this vote on its record: decided, in its next stage, or pending while the
    quorum needs more. Raises `Refused`.
    """
    if vote.link and vote.link in approval.used_links:
        raise LinkUsed(approval, "this link has been used")
    check_open(approval, now)
    vote = msgspec.structs.replace(vote, actor=spelled(vote.actor))
    approval, absent = admitted(approval, vote, now)
    for person in filter(None, (vote.actor, absent)):
        if vote.outcome == "approved" and has_voted(approval, person):
            raise AlreadyVoted(approval, f"{person} has approved {approval.id} already")
    _check_content(approval, vote)
    decision = Decision(
        actor=vote.actor,
        channel=vote.channel,
        outcome=vote.outcome,
        at=now,
        form=vote.form,
        reason=vote.reason,
        is_proven=vote.is_proven,
        on_behalf_of=absent,
        stage=approval.stage,
    )
    used_links = [*approval.used_links, vote.link] if vote.link else approval.used_links
    approval = msgspec.structs.replace(
        approval, decisions=[*approval.decisions, decision], used_links=used_links
    )
    ends_stage = _ends_stage(approval)
    if not ends_stage or (vote.outcome == "approved" and approval.later_stages):
        voted = changed(approval, _entry("voted", decision))
        return advanced(voted, vote.actor, now) if ends_stage else voted
    return changed(
        approval,
        _entry("decided", decision),
        status=vote.outcome,
        decided_by=vote.actor,
        decided_at=now,
        decided_through=vote.channel,
        comment=vote.reason,
    )


def advanced(approval: ApprovalRecord, by: str, now: datetime) -> ApprovalRecord:
    """The approval, under the terms of its next stage."""
    following = approval.later_stages[0]
    entry = HistoryEntry(
        what="advanced", at=now, actor=by, stage=following.name, note=f"after {approval.stage}"
    )
    return changed(approval, entry, **in_stage(following, now), claimed_by=None)


def check_open(approval: ApprovalRecord, now: datetime) -> None:
    """Raises `AlreadyDecided` or `Expired` unless it can still be decided at this moment."""
    if approval.status == "expired" or (approval.status == "pending" and is_overdue(approval, now)):
        raise Expired(approval)
    if approval.status != "pending":
        raise AlreadyDecided(approval)


def is_overdue(approval: ApprovalRecord, now: datetime) -> bool:
    """From its expiry on, it cannot be decided, even if its timer has not been applied yet."""
    return approval.expires_at is not None and now >= approval.expires_at


def admitted(
    approval: ApprovalRecord, act: ApproverAct, now: datetime
) -> tuple[ApprovalRecord, str | None]:
    """The approval, which knows every name of the actor, and for whom they act: None, in their own
    right.

    Raises as `check_actor` does. A person who may act in their own right acts for no one else, and
    one who stands in does so where the absent person may, as long as nothing bars either of them.
    """
    approval = knowing(approval, act.actor, act.other_names)
    if not act.is_proven:
        _check_claim(approval, act.actor)
    elif not include(approval, approval.policy.approvers, act.actor, act.roles):
        # who stands in for several acts for one who has a vote left
        for absence in sorted(act.stands_in, key=lambda one: has_voted(approval, one.person)):
            known = knowing(approval, absence.person, absence.other_names)
            roles = frozenset(absence.roles)
            if _may_stand_in(absence, act, now) and may_decide(known, absence.person, roles):
                _check_not_barred(known, act.actor)
                return known, absence.person
    check_actor(approval, act.actor, act.roles)
    return approval, None


def _may_stand_in(absence: StandInRecord, act: ApproverAct, now: datetime) -> bool:
    names = {spelled(name) for name in (act.actor, *act.other_names)}
    return spelled(absence.stand_in) in names and absence.covers(now) and not is_claim(act.actor)


def check_actor(approval: ApprovalRecord, actor: str, roles: frozenset[str]) -> None:
    """Raises `NotAnApprover` or `SelfApproval` unless this person may decide it in their own
    right.
    """
    if not actor.strip():
        raise InvalidVote(approval, "decidedBy", "must not be empty")
    if is_claim(actor):
        _check_claim(approval, actor)
    if not include(approval, approval.policy.approvers, actor, roles):
        raise NotAnApprover(approval, f"{actor} is not an approver of {approval.id}")
    _check_not_barred(approval, actor)


def _check_not_barred(approval: ApprovalRecord, actor: str) -> None:
    if is_same(approval, actor, approval.handed_on):
        raise NotAnApprover(approval, f"{actor} has delegated the decision of {approval.id}")
    if not approval.policy.allow_self and is_same(
        approval, actor.removeprefix(CLAIMED), [approval.requested_by or ""]
    ):
        raise SelfApproval(approval, f"{actor} asked for {approval.id}, and may not decide it")


def may_decide(approval: ApprovalRecord, actor: str, roles: frozenset[str]) -> bool:
    """Whether this person may decide it in their own right, as long as it is pending."""
    try:
        check_actor(approval, actor, roles)
    except (InvalidVote, NotAnApprover, SelfApproval):
        return False
    return True


def may_act(approval: ApprovalRecord, act: ApproverAct, now: datetime) -> bool:
    """Whether this person may decide it, for themselves or for another."""
    try:
        admitted(approval, act, now)
    except (InvalidVote, NotAnApprover, SelfApproval):
        return False
    return True


def is_for_anyone(approval: ApprovalRecord) -> bool:
    """Whether any one user may decide it, all of its stages included: then an unproven name may,
    too.
    """
    asks_for_some = not approval.policy.approvers.is_everybody or approval.policy.quorum > 1
    asks_for_several = any(not stage.policy.allow_repeat for stage in approval.stages[1:])
    return not (asks_for_some or asks_for_several or approval.handed_on)


def has_voted(approval: ApprovalRecord, person: str) -> bool:
    """Whether a vote of theirs counts against another one: of this stage and, unless its policy
    allows that, of an earlier one. Who stands in has voted, and so has the absent person.
    """
    counted = of_stage(approval) if approval.policy.allow_repeat else approval.decisions
    names = [name for one in counted for name in (one.actor, one.on_behalf_of) if name]
    return is_same(approval, person, names)


def of_stage(approval: ApprovalRecord) -> list[Decision]:
    """The votes of the stage that it is in."""
    return [one for one in approval.decisions if one.stage == approval.stage]


def changed(approval: ApprovalRecord, entry: HistoryEntry, **changes: object) -> ApprovalRecord:
    """The approval with these changes, one more entry in its history, and all that follows from it
    still to be done.
    """
    entry = msgspec.structs.replace(entry, stage=entry.stage or approval.stage)
    return msgspec.structs.replace(
        approval,
        history=[*approval.history, entry],
        version=approval.version + 1,
        settled_at=None,
        **changes,
    )


def _check_claim(approval: ApprovalRecord, actor: str) -> None:
    """An unproven name may decide only what any single user may decide: it identifies no one.

    With a quorum, or stages that need different people, one operator could type many names.
    """
    if not actor.removeprefix(CLAIMED):
        raise InvalidVote(approval, "decidedBy", "must not be empty")
    if not is_for_anyone(approval):
        raise NotAnApprover(
            approval, f"{actor} is not proven, and {approval.id} asks for people by name or number"
        )


def _check_content(approval: ApprovalRecord, vote: Vote) -> None:
    if vote.outcome not in approval.options:
        raise InvalidVote(approval, "outcome", f"must be one of {', '.join(approval.options)}")
    needed = approval.policy.reason_required
    is_needed = needed == "always" or (needed == "on-reject" and vote.outcome == "rejected")
    if is_needed and not (vote.reason or "").strip():
        raise InvalidVote(approval, "reason", "is required")
    if approval.form_schema is not None and (vote.outcome == "approved" or vote.form is not None):
        problem = check_form(approval.form_schema, vote.form or {})
        if problem:
            raise InvalidVote(approval, problem.field, problem.message)


def _ends_stage(approval: ApprovalRecord) -> bool:
    """The first rejection does; else as many different people as the quorum demands."""
    if approval.decisions[-1].outcome == "rejected":
        return True
    return parties(approval, of_stage(approval)) >= approval.policy.quorum


def _entry(what: What, decision: Decision) -> HistoryEntry:
    return HistoryEntry(
        what=what,
        at=decision.at,
        actor=decision.actor,
        channel=decision.channel,
        outcome=decision.outcome,
        note=decision.reason,
        on_behalf_of=decision.on_behalf_of,
    )
