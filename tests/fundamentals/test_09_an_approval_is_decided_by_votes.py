"""An approval is decided by votes.

An approval is a record with a policy: who may decide, how many have to approve, whether a reason
is required. A person votes through a channel (API, page, link, command line, Prefect's form), and
all of them call one function. Whether the vote counts is computed from record and vote alone;
that it counts once is what the ETag guarantees. The first rejection decides, else the quorum of
different people.

Code: `check_actor` and `decided` in `blocks/approvals/decisions.py`;
`blocks/approvals/lifecycle.py`.
"""

import asyncio

import pytest

from blocks.approvals.decisions import AlreadyDecided, NotAnApprover, Refused, Vote
from blocks.approvals.lifecycle import record_vote
from blocks.contracts.approvals import ApprovalPolicy, Approvers
from blocks.contracts.records import ApprovalRecord
from blocks.ports import RecordStore
from tests.support.factories import A_TENANT, an_approval

TWO_OF_THREE = ApprovalPolicy(approvers=Approvers(users=("ann", "bob", "cid")), quorum=2)


async def asked(store: RecordStore) -> ApprovalRecord:
    return (await store.create(A_TENANT, an_approval(policy=TWO_OF_THREE))).record


async def vote(store: RecordStore, approval: ApprovalRecord, who: str) -> ApprovalRecord:
    approves = Vote(actor=who, outcome="approved", channel="api")
    return (await record_vote(store, A_TENANT, approval.id, approves)).record


async def test_it_is_pending_until_the_quorum_is_reached(store: RecordStore) -> None:
    approval = await asked(store)

    assert "pending" == (await vote(store, approval, "ann")).status
    assert "approved" == (await vote(store, approval, "bob")).status


async def test_the_first_rejection_decides(store: RecordStore) -> None:
    approval = await asked(store)
    rejects = Vote(actor="ann", outcome="rejected", channel="page", reason="too risky")

    decided = (await record_vote(store, A_TENANT, approval.id, rejects)).record

    assert ("rejected", "ann") == (decided.status, decided.decided_by)


async def test_who_is_not_named_by_the_policy_cannot_decide(store: RecordStore) -> None:
    with pytest.raises(NotAnApprover):
        await vote(store, await asked(store), "eve")


async def test_simultaneous_votes_are_counted_one_by_one(store: RecordStore) -> None:
    approval = await asked(store)
    votes = (vote(store, approval, who) for who in ("ann", "bob", "cid"))

    results = await asyncio.gather(*votes, return_exceptions=True)

    assert [AlreadyDecided] == [type(one) for one in results if isinstance(one, Refused)]
    now = await store.read(A_TENANT, ApprovalRecord, approval.id)
    assert ("approved", 2) == (now.record.status, len(now.record.decisions))
