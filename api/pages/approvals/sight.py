"""How one approval looks to the person who has it open."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import msgspec

from api.access.identity import Actor
from api.approvals.requests import as_approver
from api.http.errors import answer_of
from blocks.approvals.decisions import (
    ApproverAct,
    Refused,
    admitted,
    check_open,
    has_voted,
    of_stage,
)
from blocks.approvals.people import parties
from blocks.approvals.standing import standing
from blocks.contracts.approvals import ApprovalPolicy, Approvers
from blocks.contracts.identities import spelled
from blocks.contracts.records import ApprovalRecord, StandInRecord
from blocks.contracts.roles import allows
from blocks.ports import RecordStore
from blocks.queries import every

State = Literal["done", "busy", "waiting", "bad", "next"]


class Step(msgspec.Struct, frozen=True):
    """One stage."""

    name: str
    state: State
    asked: str
    """Of whom, and how many of them."""


class Sight(msgspec.Struct, frozen=True):
    """The approval, and what this person may do about it."""

    approval: ApprovalRecord
    steps: Sequence[Step]
    given: int
    """Approvals of the present stage, each party once."""
    asked: str
    may_decide: bool
    acts_for: str | None
    """Whose stand-in the person is here."""
    why_not: str
    """Why the person has nothing to decide; empty: they have."""
    may_answer: bool
    absences: Sequence[StandInRecord]
    """Of people who are asked by name, those who are absent now, with their stand-ins."""

    @property
    def is_open(self) -> bool:
        return self.may_decide or self.approval.status == "pending"

    @property
    def stages(self) -> list[tuple[str, State]]:
        """As the progress line takes them."""
        return [(step.name, step.state) for step in self.steps]


async def sight_of(
    store: RecordStore, tenant_id: str, actor: Actor, approval: ApprovalRecord, now: datetime
) -> Sight:
    """Nothing in it is decided: whether a decision counts is judged when it is made."""
    may_decide, acts_for, why_not = False, None, ""
    if approval.status == "pending" and not actor.id:
        why_not = "Sign in as a person to decide: this credential names none."
    elif approval.status == "pending" and not allows(actor.roles, "approver"):
        why_not = "Deciding needs the role approver."
    else:
        act = await as_approver(store, tenant_id, actor) if actor.id else None
        may_decide, acts_for, why_not = _judged(approval, act, now)
    return Sight(
        approval=approval,
        steps=_steps(approval),
        given=parties(approval, of_stage(approval)),
        asked=_asked(approval.policy),
        may_decide=may_decide,
        acts_for=acts_for,
        why_not=why_not,
        may_answer=approval.open_question is not None
        and bool(actor.id)
        and allows(actor.roles, "operator"),
        absences=await _absences(store, tenant_id, approval.policy.approvers, now)
        if approval.status == "pending"
        else (),
    )


def _judged(
    approval: ApprovalRecord, act: ApproverAct | None, now: datetime
) -> tuple[bool, str | None, str]:
    try:
        check_open(approval, now)
        if act is None:
            return False, None, standing(approval)
        known, acts_for = admitted(approval, act, now)
    except Refused as refusal:
        if approval.status != "pending":
            return False, None, standing(approval)
        return False, None, f"{answer_of(refusal).message}."
    if any(has_voted(known, one) for one in (act.actor, acts_for) if one):
        return False, acts_for, f"Your approval is on the record. {standing(approval)}"
    return True, acts_for, ""


def _steps(approval: ApprovalRecord) -> list[Step]:
    names = [stage.name for stage in approval.stages]
    if approval.stage not in names:
        return []
    at = names.index(approval.stage)
    here: State = {"pending": "busy", "approved": "done"}.get(approval.status, "bad")  # type: ignore[assignment] # of these words
    return [
        Step(
            stage.name,
            "done" if place < at else here if place == at else "next",
            _asked(approval.policy if place == at else stage.policy),
        )
        for place, stage in enumerate(approval.stages)
    ]


def _asked(policy: ApprovalPolicy) -> str:
    approvers = policy.approvers
    people = [*approvers.users, *(f"any {role}" for role in approvers.roles)]
    who = " or ".join(people) or "any approver"
    return f"{policy.quorum} of {who}" if policy.quorum > 1 else who


async def _absences(
    store: RecordStore, tenant_id: str, approvers: Approvers, now: datetime
) -> list[StandInRecord]:
    if not approvers.users:
        return []
    named = {"person": tuple(dict.fromkeys(spelled(user) for user in approvers.users))}
    return [
        stored.record
        async for stored in every(store, tenant_id, StandInRecord, named)
        if stored.record.covers(now)
    ]
