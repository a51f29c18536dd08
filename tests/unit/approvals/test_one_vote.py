"""One person, one vote: whatever is delegated, claimed or spelled, no approval has more votes than
people.
"""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.approvals.changes import delegated
from blocks.approvals.decisions import (
    AlreadyVoted,
    InvalidVote,
    NotAnApprover,
    Refused,
    SelfApproval,
    Vote,
    decided,
)
from blocks.contracts.approvals import ApprovalPolicy, Approvers
from blocks.contracts.identities import spelled
from blocks.contracts.records import ApprovalRecord
from tests.support.factories import an_approval, now

NONE: frozenset[str] = frozenset()
PEOPLE = ["ann", "bob", "cid", "dan"]
ANYONE = [
    "ann",
    " ann",
    "bob",
    "cid",
    "dan",
    "eve",
    "eve@x.org",
    "EVE@X.org",
    "claimed:ann",
    "key:ann",
]


def asks(
    *users: str, quorum: int = 2, roles: tuple[str, ...] = (), **changes: object
) -> ApprovalRecord:
    policy = ApprovalPolicy(approvers=Approvers(users=users, roles=roles), quorum=quorum)
    return an_approval(policy=policy, **changes)


def voted(approval: ApprovalRecord, actor: str, roles: frozenset[str] = NONE) -> ApprovalRecord:
    return decided(
        approval, Vote(actor=actor, outcome="approved", channel="api", roles=roles), now()
    )


def handed(
    approval: ApprovalRecord, actor: str, to: str, roles: frozenset[str] = NONE
) -> ApprovalRecord:
    return delegated(approval, actor, roles, to, None, now())


def test_who_has_voted_has_nothing_left_to_delegate() -> None:
    with pytest.raises(AlreadyVoted):
        handed(voted(asks("ann", "bob"), "ann"), "ann", "eve")


def test_who_delegates_gives_the_place_away() -> None:
    approval = handed(asks("ann", "bob"), "ann", "eve")

    with pytest.raises(NotAnApprover):
        voted(approval, "ann")
    assert "approved" == voted(voted(approval, "eve"), "bob").status


def test_a_role_does_not_bring_back_the_place_that_was_given_away() -> None:
    vp = frozenset({"vp"})
    approval = handed(asks(roles=("vp",)), "ann", "eve", vp)

    with pytest.raises(NotAnApprover):
        voted(approval, "ann", vp)
    assert "pending" == voted(approval, "eve").status


def test_a_place_that_is_delegated_back_is_one_place() -> None:
    approval = handed(handed(asks("ann", "bob"), "ann", "eve"), "eve", "ann")

    with pytest.raises(NotAnApprover):
        voted(approval, "eve")
    assert "pending" == voted(approval, "ann").status


@pytest.mark.parametrize("to", ["bob", " bob", "ann", "key:eve", "claimed:eve", " "])
def test_a_delegation_that_leaves_too_few_people_or_names_none_is_refused(to: str) -> None:
    with pytest.raises(InvalidVote):
        handed(asks("ann", "bob"), "ann", to)


def test_a_quorum_that_anyone_may_fill_cannot_be_narrowed_to_one() -> None:
    with pytest.raises(InvalidVote):
        handed(asks(), "ann", "eve")


def test_two_spellings_of_one_person_are_one_vote() -> None:
    once = voted(asks(), "Eve@X.org")

    with pytest.raises(AlreadyVoted):
        voted(once, " eve@x.ORG")
    with pytest.raises(SelfApproval):
        voted(asks(quorum=1, requested_by="EVE@x.org"), "eve@x.org")


@pytest.mark.parametrize(
    "approval",
    [
        asks("ann", quorum=1),
        asks("claimed:ann", quorum=1),
        asks(roles=("vp",), quorum=1),
        asks(quorum=2),
    ],
    ids=["named", "named as a claim", "a role", "a quorum"],
)
@pytest.mark.parametrize("outcome", ["approved", "rejected"])
def test_a_claim_does_not_count_where_people_are_asked_by_name_or_number(
    approval: ApprovalRecord, outcome: str
) -> None:
    claim = Vote(
        actor="claimed:ann",
        outcome="approved" if outcome == "approved" else "rejected",
        channel="prefect-ui",
    )

    with pytest.raises(NotAnApprover):
        decided(approval, claim, now())


def test_a_claim_is_recorded_as_one_and_is_not_the_requester() -> None:
    assert "claimed:ann" == voted(asks(quorum=1), "claimed:ann").decided_by
    with pytest.raises(SelfApproval):
        voted(asks(quorum=1, requested_by="ann"), "claimed:ann")


acts = st.lists(
    st.tuples(
        st.sampled_from(["vote", "delegate"]), st.sampled_from(ANYONE), st.sampled_from(ANYONE)
    ),
    max_size=14,
)


@given(
    st.lists(st.sampled_from(PEOPLE), min_size=2, max_size=4, unique=True), st.integers(2, 3), acts
)
def test_no_sequence_of_acts_makes_more_votes_than_people(
    users: Sequence[str], quorum: int, acts: Sequence[tuple[str, str, str]]
) -> None:
    approval, places = asks(*users, quorum=quorum), len(users)
    for what, actor, to in acts:
        try:
            approval = voted(approval, actor) if what == "vote" else handed(approval, actor, to)
        except Refused:
            continue

    people = {spelled(one.actor) for one in approval.decisions}
    assert len(people) == len(approval.decisions) <= places
    assert len(set(approval.policy.approvers.users) | people) <= places
    assert not people & set(approval.handed_on)
    assert ("approved" == approval.status) == (len(people) >= quorum)
