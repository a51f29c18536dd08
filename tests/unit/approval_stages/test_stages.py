"""Stages: one group of approvers after the other, each with its own quorum and time limit."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from blocks.adapters.sqlite.record_store import SqliteRecordStore
from blocks.approvals.changes import delegated
from blocks.approvals.decisions import (
    AlreadyDecided,
    AlreadyVoted,
    Expired,
    InvalidVote,
    NotAnApprover,
    StageDecided,
    Vote,
)
from blocks.approvals.events import unpublished
from blocks.approvals.lifecycle import is_granted, record_vote
from blocks.approvals.standing import standing
from blocks.approvals.terms import stages_for
from blocks.approvals.timers import CLOCK, apply_timers
from blocks.contracts.approvals import ApprovalRule, Approvers, EscalationStep
from blocks.contracts.events import HitlApprovalAdvanced, HitlApprovalCompleted
from blocks.contracts.records import ApprovalRecord
from blocks.ports import Stored
from flows.analysis.progress import Analysis, AnalysisRules
from tests.support.factories import A_TENANT, an_execution, now
from tests.unit.approval_stages.terms import LARGE, in_stages, stage, voted

MANAGER, FINANCE = stage("manager", "ann"), stage("finance", "bob", "cid", conditions=LARGE)
DAY = timedelta(days=1)


# --- which are asked ------------------------------------------------------------------------------


def test_below_the_value_one_stage_is_asked_and_above_it_both() -> None:
    assert "approved" == voted(in_stages(MANAGER, FINANCE, amount=10), "ann").status
    above = voted(in_stages(MANAGER, FINANCE), "ann")
    assert ("pending", "finance") == (above.status, above.stage)
    assert ("approved", "bob") == ((done := voted(above, "bob")).status, done.decided_by)


@pytest.mark.parametrize("facts", [{}, {"subject": {"amount": "$5"}}])
def test_a_stage_whose_condition_cannot_be_judged_is_asked(facts: dict[str, object]) -> None:
    assert [MANAGER, FINANCE] == stages_for(ApprovalRule(stages=[MANAGER, FINANCE]), facts)


def test_where_no_stage_is_called_for_all_are_asked() -> None:
    rule = ApprovalRule(stages=[FINANCE, stage("board", "dan", conditions=LARGE)])

    assert rule.stages == stages_for(rule, {"subject": {"amount": 1}})


# --- votes ----------------------------------------------------------------------------------------


def test_only_those_of_the_stage_may_decide_it() -> None:
    with pytest.raises(NotAnApprover):
        voted(in_stages(MANAGER, FINANCE), "bob")
    with pytest.raises(NotAnApprover):
        voted(voted(in_stages(MANAGER, FINANCE), "ann"), "ann")


def test_a_vote_of_one_stage_is_none_of_the_next() -> None:
    approval = in_stages(stage("one", "ann", "bob", quorum=2), stage("two", "cid", "dan", quorum=2))

    approval = voted(voted(approval, "ann"), "bob")

    assert ("two", "pending") == (approval.stage, voted(approval, "cid").status)
    assert "approved" == voted(voted(approval, "cid"), "dan").status


def test_a_rejection_in_any_stage_ends_it() -> None:
    for approval in (in_stages(MANAGER, FINANCE), voted(in_stages(MANAGER, FINANCE), "ann")):
        rejected = voted(approval, "ann" if approval.stage == "manager" else "cid", "rejected")
        assert "rejected" == rejected.status
        with pytest.raises(AlreadyDecided):
            voted(rejected, "bob")


def test_no_person_approves_two_stages_unless_the_rule_allows_it() -> None:
    twice = voted(in_stages(MANAGER, stage("finance", "ann", "bob")), "ann")
    with pytest.raises(AlreadyVoted):
        voted(twice, "ann")
    with pytest.raises(AlreadyVoted):
        voted(twice, "a.smith", other_names=frozenset({"ann"}), roles=frozenset())
    assert "rejected" == voted(twice, "ann", "rejected").status

    allowed = voted(in_stages(MANAGER, stage("finance", "ann", repeat=True)), "ann")
    assert "approved" == voted(allowed, "ann").status


@pytest.mark.parametrize("name", ["claimed:ann", "ann"])
def test_an_unproven_name_decides_no_stage_where_stages_need_different_people(name: str) -> None:
    approval = in_stages(stage("one"), stage("two"))

    for one in (approval, voted(approval, "ann")):
        with pytest.raises(NotAnApprover):
            voted(one, name, is_proven=False)
    same = in_stages(stage("one"), stage("two", repeat=True))
    assert "approved" == voted(voted(same, "claimed:ann"), "claimed:ann").status


def test_a_delegation_leaves_enough_people_for_the_stages_to_come() -> None:
    approval = in_stages(stage("one", "ann"), stage("two", "ann", "cid", quorum=2))

    with pytest.raises(InvalidVote, match="quorum of 2 would be left in stage two"):
        delegated(approval, "ann", frozenset(), "bob", None, now())


def test_a_delegation_counts_whom_an_earlier_stage_has_used_up() -> None:
    finance = stage("finance", "ann", "bob", "cid", quorum=2)
    approval = voted(in_stages(MANAGER, finance), "ann")

    with pytest.raises(InvalidVote):
        delegated(approval, "bob", frozenset(), "cid", None, now())
    assert (
        "dan" in delegated(approval, "bob", frozenset(), "dan", None, now()).policy.approvers.users
    )


class Overtaken(SqliteRecordStore):
    """The embedded store, in which another vote is written before the first one."""

    other: Vote | None = None

    async def replace(self, tenant_id: str, etag: str, record: Any) -> Stored[Any]:
        if other := self.other:
            self.other = None
            await record_vote(self, tenant_id, record.id, other)
        return await super().replace(tenant_id, etag, record)


async def test_a_vote_that_comes_too_late_for_its_stage_is_none_in_the_next(tmp_path: Path) -> None:
    ann, bob = (Vote(actor=name, outcome="approved", channel="api") for name in ("ann", "bob"))
    async with Overtaken(tmp_path / "records.db") as store:
        approval = in_stages(stage("one", "ann", "bob"), stage("two", "bob"))
        await store.create(A_TENANT, approval)
        store.other = ann

        with pytest.raises(StageDecided, match=r"stage one of .* is decided: two is asked"):
            await record_vote(store, A_TENANT, approval.id, bob)

        left = (await store.read(A_TENANT, ApprovalRecord, approval.id)).record
        assert ("pending", "two", ["ann"]) == (
            left.status,
            left.stage,
            [one.actor for one in left.decisions],
        )


# --- time -----------------------------------------------------------------------------------------


def test_each_stage_has_a_time_limit_that_begins_with_it() -> None:
    day = 86_400.0
    approval = in_stages(
        stage("manager", "ann", expires_after_seconds=day),
        stage("finance", "bob", expires_after_seconds=day),
    )
    later = now() + 0.9 * DAY

    approval = voted(approval, "ann", at=later)

    assert (later, later + DAY) == (approval.asked_since, approval.expires_at)
    assert "approved" == voted(approval, "bob", at=later + 0.9 * DAY).status
    with pytest.raises(Expired):
        voted(approval, "bob", at=later + DAY)


@pytest.mark.parametrize("on_expiry", ["fail", "reject"])
def test_a_stage_whose_time_is_over_ends_the_approval(on_expiry: str) -> None:
    manager = stage("manager", "ann", expires_after_seconds=60.0, on_expiry=on_expiry)
    expired = apply_timers(in_stages(manager, FINANCE), now() + DAY)

    assert ("expired", False) == (expired.status, is_granted(expired))


def test_silence_that_approves_a_stage_leads_to_the_next_and_never_past_it() -> None:
    approval = in_stages(
        stage("manager", "ann", expires_after_seconds=60.0, on_expiry="approve"),
        stage("finance", "bob", expires_after_seconds=60.0, on_expiry="approve"),
    )

    second = apply_timers(approval, now() + DAY)
    assert ("pending", "finance", False) == (second.status, second.stage, is_granted(second))

    third = apply_timers(second, now() + 2 * DAY)
    assert ("expired", True) == (third.status, is_granted(third))


def test_an_escalation_asks_more_people_in_its_stage_alone() -> None:
    vp = EscalationStep(after_seconds=60.0, approvers=Approvers(users=("vp",)))
    approval = in_stages(stage("manager", "ann", escalations=[vp]), FINANCE)

    asked_more = apply_timers(approval, now() + timedelta(minutes=2))
    after = voted(asked_more, "vp", at=now() + timedelta(minutes=2))

    assert ("finance", ("bob", "cid")) == (after.stage, after.policy.approvers.users)
    assert "manager" == asked_more.history[-1].stage


def test_each_escalation_at_an_expiry_gives_as_long_again_and_no_longer() -> None:
    vp = [EscalationStep(after_seconds=1e9, approvers=Approvers(users=(f"vp-{n}",))) for n in "ab"]
    terms: dict[str, Any] = {"expires_after_seconds": 86_400.0, "on_expiry": "escalate"}
    approval = in_stages(
        stage("manager", "ann", escalations=vp, **terms),
        stage("finance", "bob", escalations=vp, **terms),
    )

    began = approval.asked_since

    for days in (1, 2):
        approval = apply_timers(approval, began + days * DAY)
        assert began + (days + 1) * DAY == approval.expires_at
    approval = voted(approval, "vp-b", at=began + 2 * DAY)

    assert began + 3 * DAY == approval.expires_at
    assert began + 4 * DAY == apply_timers(approval, began + 3 * DAY).expires_at


# --- what is seen ---------------------------------------------------------------------------------


def test_a_stage_change_is_an_event_and_only_the_end_completes() -> None:
    pending = voted(in_stages(MANAGER, FINANCE), "ann")

    [advanced] = [event.data for event in unpublished(pending)]
    assert isinstance(advanced, HitlApprovalAdvanced)
    assert ("finance", ["bob", "cid"], "ann") == (
        advanced.stage,
        advanced.approvers,
        advanced.advanced_by,
    )
    assert [HitlApprovalAdvanced, HitlApprovalCompleted] == [
        type(event.data) for event in unpublished(voted(pending, "bob"))
    ]


def test_history_and_standing_name_the_stage() -> None:
    approval = voted(in_stages(MANAGER, FINANCE), "ann")

    assert [("voted", "manager", "ann"), ("advanced", "finance", "ann")] == [
        (entry.what, entry.stage, entry.actor) for entry in approval.history
    ]
    assert "It is pending: in stage finance (2 of 2)." == standing(approval)
    by_clock = apply_timers(
        in_stages(
            stage("one", "ann", expires_after_seconds=1.0, on_expiry="approve"),
            stage("two", "bob"),
        ),
        now() + DAY,
    )
    assert (CLOCK, "advanced") == (by_clock.history[-1].actor, by_clock.history[-1].what)


@pytest.mark.parametrize(
    ("deal", "asked"),
    [
        ({"amount": 10}, ["manager"]),
        ({"amount": 1_000_000}, ["manager", "finance"]),
        ({"amount": "about a million"}, ["manager", "finance"]),
        ({}, ["manager", "finance"]),
    ],
)
def test_an_analysis_asks_the_stages_that_its_deal_calls_for(
    deal: dict[str, object], asked: list[str]
) -> None:
    rule = ApprovalRule(enabled=True, conditions=[], stages=[MANAGER, FINANCE])
    held = Stored(an_execution(status="awaiting_approval", input=deal), "etag")

    approval = Analysis(held, AnalysisRules(frozenset(), DAY, rule)).approval()

    assert asked == [one.name for one in approval.stages]
    assert ("manager", MANAGER.policy) == (approval.stage, approval.policy)
