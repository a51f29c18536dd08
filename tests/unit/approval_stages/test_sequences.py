"""Whatever people and the clock do in whatever order, and at once: what must hold of an approval
holds.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.adapters.sqlite.record_store import SqliteRecordStore
from blocks.approvals import lifecycle
from blocks.approvals.decisions import Refused, Vote
from blocks.approvals.questions import Ask, answered, questioned
from blocks.approvals.stand_ins import name_stand_in
from blocks.approvals.timers import CLOCK, apply_timers
from blocks.clock import utc_now
from blocks.contracts.approvals import Stage
from blocks.contracts.records import ApprovalRecord
from blocks.ports import Stale
from tests.support.factories import A_TENANT, now
from tests.unit.approval_stages.terms import absent, in_stages, stage, voted

PEOPLE = ["ann", "bob", "cid", "dan", "eve"]
STAND_INS = [absent("ann", "eve"), absent("bob", "eve"), absent("cid", "dan"), absent("dan", "ann")]
HOUR = timedelta(hours=1)

stages = st.lists(
    st.builds(
        lambda users, quorum, on_expiry: (users, min(quorum, len(users)), on_expiry),
        st.lists(st.sampled_from(PEOPLE), min_size=1, max_size=4, unique=True),
        st.integers(1, 3),
        st.sampled_from(["fail", "reject", "approve"]),
    ),
    min_size=1,
    max_size=3,
).map(
    lambda wanted: [
        stage(
            f"stage-{number}",
            *users,
            quorum=quorum,
            on_expiry=on_expiry,
            expires_after_seconds=4 * 3600.0,
        )
        for number, (users, quorum, on_expiry) in enumerate(wanted)
    ]
)
acts = st.lists(
    st.tuples(
        st.sampled_from(["approve", "approve", "approve", "reject", "ask", "answer", "wait"]),
        st.sampled_from([*PEOPLE, "claimed:ann"]),
    ),
    max_size=25,
)


@given(stages, acts)
def test_what_must_hold_holds_after_every_act(
    wanted: list[Stage], acts: Sequence[tuple[str, str]]
) -> None:
    approval, at = in_stages(*wanted, requested_by="eve"), now()
    for what, actor in acts:
        before = approval
        try:
            match what:
                case "approve" | "reject":
                    outcome = "approved" if what == "approve" else "rejected"
                    approval = voted(approval, actor, outcome, at=at, stands_in=STAND_INS)
                case "ask":
                    ask = Ask(actor=actor, channel="api", text="?", stands_in=tuple(STAND_INS))
                    approval = questioned(approval, ask, at)
                case "answer":
                    approval = answered(approval, actor, "!", "api", at)
                case _:
                    at += HOUR
                    approval = apply_timers(approval, at)
        except Refused:
            approval = before
        check_step(before, approval)
    check(approval)


def check_step(before: ApprovalRecord, after: ApprovalRecord) -> None:
    """Nothing that happened is undone, nothing follows the end, and no stage is left out."""
    assert before.history == after.history[: len(before.history)]
    assert before.decisions == after.decisions[: len(before.decisions)]
    assert len(after.questions) - len(before.questions) in (0, 1)
    if before.status != "pending":
        assert before == after
    names = [one.name for one in after.stages]
    assert names.index(after.stage or "") - names.index(before.stage or "") in (0, 1)
    if after.stage != before.stage:
        assert ("pending", "advanced") == (after.status, after.history[-1].what)


def check(approval: ApprovalRecord) -> None:
    by_silence = {
        one.note for one in approval.history if one.what == "advanced" and one.actor == CLOCK
    }
    persons: list[str] = []
    for one in approval.stages:
        votes = [vote for vote in approval.decisions if vote.stage == one.name]
        given = [vote for vote in votes if vote.outcome == "approved"]
        allowed = set(one.policy.approvers.users) - {"eve"}
        assert all((vote.on_behalf_of or vote.actor) in allowed for vote in votes)
        assert all(vote.actor != "eve" for vote in votes)  # who asked decides for no one
        persons += [name for vote in given for name in (vote.actor, vote.on_behalf_of) if name]
        is_over = one not in approval.later_stages and one.name != approval.stage
        if (is_over or approval.status == "approved") and f"after {one.name}" not in by_silence:
            assert len(given) >= one.policy.quorum
    assert len(persons) == len(set(persons))  # no one counts twice, in no stage, as no one
    assert ("rejected" == approval.status) == any(
        vote.outcome == "rejected" for vote in approval.decisions
    )
    if approval.status == "approved":
        assert not approval.later_stages
    assert all(one.answer for one in approval.questions[:-1])


# --- at once --------------------------------------------------------------------------------------


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteRecordStore]:
    async with SqliteRecordStore(tmp_path / "records.db") as store:
        yield store


async def act_at_random(store: SqliteRecordStore, approval: ApprovalRecord, random: Random) -> None:
    actor = random.choice(PEOPLE)
    version = random.choice([None, None, approval.version, approval.version + 1])
    try:
        match random.choice(["vote", "vote", "vote", "reject", "ask", "answer", "clock"]):
            case "vote" | "reject" as word:
                # few reject, so that many come to the last stage
                is_no = word == "reject" and random.random() < 0.2
                vote = Vote(
                    actor=actor,
                    outcome="rejected" if is_no else "approved",
                    channel="api",
                    reason="because",
                )
                await lifecycle.record_vote(store, A_TENANT, approval.id, vote, version=version)
            case "ask":
                ask = Ask(actor=actor, channel="api", text="?")
                await lifecycle.record_question(store, A_TENANT, approval.id, ask)
            case "answer":
                await lifecycle.change(
                    store,
                    A_TENANT,
                    approval.id,
                    lambda one: answered(one, actor, "!", "api", utc_now()),
                )
            case _:
                await lifecycle.change(
                    store, A_TENANT, approval.id, lambda one: apply_timers(one, utc_now())
                )
    except (Refused, Stale):
        return


async def test_what_must_hold_holds_when_all_act_at_once(store: SqliteRecordStore) -> None:
    for absence in (("ann", "eve"), ("cid", "dan"), ("dan", "ann")):
        await name_stand_in(store, A_TENANT, *absence, now(), now() + HOUR)
    ends = set()
    for seed in range(25):
        random = Random(seed)
        approval = in_stages(
            stage("one", "ann", "bob", quorum=2), stage("two", "cid", "dan"), requested_by="eve"
        )
        await store.create(A_TENANT, approval)

        for _ in range(3):  # of the first wave, those of the second stage come too early
            await asyncio.gather(*(act_at_random(store, approval, random) for _ in range(20)))

        final = (await store.read(A_TENANT, ApprovalRecord, approval.id)).record
        check(final)
        ends.add(final.status)
    assert {"approved", "rejected"} <= ends
