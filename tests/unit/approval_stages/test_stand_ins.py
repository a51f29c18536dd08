"""Stand-ins: during an absence another person decides, as the absent person's vote."""

from datetime import datetime, timedelta

import pytest

from blocks.approvals.decisions import AlreadyVoted, NotAnApprover, SelfApproval, Vote
from blocks.approvals.lifecycle import record_vote
from blocks.approvals.stand_ins import (
    SPAN_MAX,
    HasStandIn,
    InvalidStandIn,
    absences,
    end_stand_in,
    name_stand_in,
)
from blocks.approvals.standing import standing
from blocks.contracts.approvals import ApprovalPolicy, Approvers
from blocks.contracts.records import ApprovalRecord, StandInRecord
from blocks.ports import RecordStore
from tests.support.factories import A_TENANT, ANOTHER_TENANT, an_approval, now
from tests.unit.approval_stages.terms import absent, in_stages, stage, voted

DAY = timedelta(days=1)
FOR_ANN = absent("ann", "bob")
NAMES = frozenset({"u-2"})


def asks(
    *users: str, roles: tuple[str, ...] = (), quorum: int = 1, **fields: object
) -> ApprovalRecord:
    policy = ApprovalPolicy(approvers=Approvers(users=users, roles=roles), quorum=quorum)
    return an_approval(policy=policy, **fields)


# --- whose vote it is -----------------------------------------------------------------------------


def test_the_record_names_the_stand_in_and_for_whom() -> None:
    approval = voted(asks("ann"), "bob", stands_in=[FOR_ANN])

    assert ("approved", "bob", "ann") == (
        approval.status,
        approval.decided_by,
        approval.decisions[0].on_behalf_of,
    )
    assert "ann" == approval.history[-1].on_behalf_of
    assert standing(approval).startswith("bob (for ann) approved it")


def test_the_roles_that_the_absent_person_proved_count() -> None:
    named = absent("ann", "bob", roles=["finance"])

    assert "approved" == voted(asks(roles=("finance",)), "bob", stands_in=[named]).status
    with pytest.raises(NotAnApprover):
        voted(asks(roles=("finance",)), "bob", stands_in=[FOR_ANN])


def test_any_name_that_the_two_have_proved_is_theirs() -> None:
    by_mail = absent("u-1", "u-2", other_names=["ann@x.org"])
    approval = voted(
        asks("ann@x.org", "cid", quorum=2), "bob", stands_in=[by_mail], other_names=NAMES
    )

    for other in ("u-1", "ann@x.org", "u-2"):
        with pytest.raises(AlreadyVoted):
            voted(approval, other, roles=frozenset(), stands_in=[absent("cid", "u-2")])


def test_who_may_decide_in_their_own_right_does() -> None:
    approval = voted(asks("ann", "bob", quorum=2), "bob", stands_in=[FOR_ANN])

    assert None is approval.decisions[0].on_behalf_of
    with pytest.raises(AlreadyVoted):
        voted(approval, "bob", stands_in=[FOR_ANN])
    assert "approved" == voted(approval, "ann").status


def test_the_stand_in_and_the_absent_person_have_one_vote() -> None:
    for_ann = voted(asks("ann", "cid", "bo", quorum=2), "bob", stands_in=[FOR_ANN])

    with pytest.raises(AlreadyVoted):
        voted(for_ann, "ann")
    with pytest.raises(AlreadyVoted):
        voted(for_ann, "bob", stands_in=[absent("cid", "bob")])
    assert "approved" == voted(for_ann, "cid").status
    of_ann = voted(asks("ann", "cid", quorum=2), "ann")
    with pytest.raises(AlreadyVoted):
        voted(of_ann, "bob", stands_in=[FOR_ANN])


def test_a_stand_in_and_the_absent_person_do_not_approve_two_stages() -> None:
    second = voted(
        in_stages(stage("one", "ann"), stage("two", "ann", "cid")), "bob", stands_in=[FOR_ANN]
    )

    for actor, stands_in in (("ann", ()), ("bob", [absent("cid", "bob")])):
        with pytest.raises(AlreadyVoted):
            voted(second, actor, stands_in=stands_in)


# --- who may not ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "absence",
    [
        absent("ann", "dan"),
        absent("ann", "bob", starts_at=now() + DAY, ends_at=now() + 2 * DAY),
        absent("ann", "bob", starts_at=now() - 2 * DAY, ends_at=now()),
        absent("eve", "bob"),
    ],
    ids=["of another", "not yet", "over", "for one who may not"],
)
def test_what_gives_no_right_counts_for_nothing(absence: StandInRecord) -> None:
    with pytest.raises(NotAnApprover):
        voted(asks("ann"), "bob", stands_in=[absence])


def test_a_stand_in_of_a_stand_in_decides_nothing() -> None:
    with pytest.raises(NotAnApprover):
        voted(asks("ann"), "cid", stands_in=[absent("bob", "cid"), FOR_ANN])


def test_a_name_that_nothing_proves_stands_in_for_no_one() -> None:
    with pytest.raises(NotAnApprover):
        voted(asks("ann"), "bob", stands_in=[FOR_ANN], is_proven=False)
    with pytest.raises(NotAnApprover):
        voted(asks("ann"), "claimed:bob", stands_in=[absent("ann", "claimed:bob")])


def test_neither_of_the_two_may_have_asked_or_delegated() -> None:
    for name in ("ann", "bob"):
        with pytest.raises((NotAnApprover, SelfApproval)):
            voted(asks("ann", requested_by=name), "bob", stands_in=[FOR_ANN])
    for name in ("ann", "bob"):
        with pytest.raises(NotAnApprover):
            voted(asks("ann", handed_on=[name]), "bob", stands_in=[FOR_ANN])


# --- naming one -----------------------------------------------------------------------------------


async def named(
    store: RecordStore,
    stand_in: str = "bob",
    *,
    begins: datetime | None = None,
    span: timedelta = DAY,
    person: str = "ann",
) -> StandInRecord:
    starts_at = begins or now()
    return await name_stand_in(store, A_TENANT, person, stand_in, starts_at, starts_at + span)


async def test_a_stand_in_decides_from_the_start_until_it_is_ended(store: RecordStore) -> None:
    await store.create(A_TENANT, approval := asks("ann"))
    vote = Vote(actor="bob", outcome="approved", channel="api")
    with pytest.raises(NotAnApprover):
        await record_vote(store, A_TENANT, approval.id, vote)

    stand_in = await named(store)
    decided = (await record_vote(store, A_TENANT, approval.id, vote)).record
    assert "ann" == decided.decisions[0].on_behalf_of

    await end_stand_in(store, A_TENANT, stand_in.id)
    await store.create(A_TENANT, another := asks("ann"))
    with pytest.raises(NotAnApprover):
        await record_vote(store, A_TENANT, another.id, vote)


async def test_a_person_has_one_stand_in_at_a_time(store: RecordStore) -> None:
    first = await named(store, span=timedelta(seconds=0.3))
    with pytest.raises(HasStandIn):
        await named(store, "cid")

    while first.ends_at > now():
        pass
    assert ("cid", 2) == ((second := await named(store, "cid")).stand_in, second.version)
    assert () == await absences(store, A_TENANT, ["bob"], now())
    assert (second,) == await absences(store, A_TENANT, ["cid"], now())
    assert () == await absences(store, ANOTHER_TENANT, ["cid"], now())


@pytest.mark.parametrize("stand_in", ["ann", " ann ", "", "key:bob", "claimed:bob", "x" * 201])
async def test_no_one_but_another_user_can_stand_in(store: RecordStore, stand_in: str) -> None:
    with pytest.raises(InvalidStandIn):
        await named(store, stand_in)


async def test_only_a_user_names_one_and_only_for_a_limited_span(store: RecordStore) -> None:
    with pytest.raises(InvalidStandIn):
        await named(store, person="key:billing")
    for begins, span in (
        (now(), SPAN_MAX + timedelta(seconds=1)),
        (now(), timedelta()),
        (now() - 2 * DAY, DAY),
        (now() + timedelta(days=400), DAY),
    ):
        with pytest.raises(InvalidStandIn):
            await named(store, begins=begins, span=span)
