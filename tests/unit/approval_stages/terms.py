"""Approvals in stages, and what people do to them."""

from collections.abc import Iterable
from datetime import datetime

from blocks.approvals.decisions import Vote, decided
from blocks.approvals.terms import terms_of
from blocks.contracts.approvals import ApprovalPolicy, ApprovalRule, Approvers, Condition, Stage
from blocks.contracts.records import ApprovalRecord, StandInRecord
from tests.support.factories import a_stand_in, an_approval, now

LARGE = [Condition(path="subject.amount", op="gte", value=1_000_000)]


def stage(name: str, *users: str, quorum: int = 1, repeat: bool = False, **terms: object) -> Stage:
    policy = ApprovalPolicy(approvers=Approvers(users=users), quorum=quorum, allow_repeat=repeat)
    return Stage(name=name, policy=policy, **terms)  # type: ignore[arg-type]


def in_stages(*stages: Stage, amount: float = 2_000_000, **fields: object) -> ApprovalRecord:
    """An approval that a rule of these stages requests now, about a deal of this amount."""
    rule = ApprovalRule(enabled=True, stages=list(stages))
    terms = terms_of(rule, now(), {"subject": {"amount": amount}})
    return an_approval(**{**terms, **fields})


def voted(
    approval: ApprovalRecord,
    actor: str,
    outcome: str = "approved",
    *,
    at: datetime | None = None,
    stands_in: Iterable[StandInRecord] = (),
    **fields: object,
) -> ApprovalRecord:
    vote = Vote(
        actor=actor,
        outcome="approved" if outcome == "approved" else "rejected",
        channel="api",
        reason="because",
        stands_in=tuple(stands_in),
        **fields,  # type: ignore[arg-type]
    )
    return decided(approval, vote, at or now())


def absent(person: str, stand_in: str, **fields: object) -> StandInRecord:
    return a_stand_in(person=person, stand_in=stand_in, **fields)
