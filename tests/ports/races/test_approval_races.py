"""Many people, one approval: exactly one decision counts, on both stores. `RACE_ROUNDS` says how
often to try.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import pytest

from blocks.approvals import lifecycle
from blocks.approvals.decisions import AlreadyDecided, Expired, Vote
from blocks.approvals.timers import apply_timers
from blocks.clock import utc_now
from blocks.contracts.records import ApprovalRecord
from blocks.ports import RecordStore
from tests.support.factories import A_TENANT, an_approval

ROUNDS = int(os.environ.get("RACE_ROUNDS", "10"))
THOUSAND = 1000


# --- people against each other --------------------------------------------------------------------


async def decide(store: RecordStore, approval: ApprovalRecord, number: int) -> str | ApprovalRecord:
    """`won`, or the approval as the refusal shows it."""
    outcome = "approved" if number % 2 else "rejected"
    vote = Vote(actor=f"user-{number}", outcome=outcome, channel="api")  # type: ignore[arg-type] # a Literal, in fact
    try:
        await lifecycle.record_vote(store, A_TENANT, approval.id, vote)
    except (AlreadyDecided, Expired) as refusal:
        return refusal.approval
    return "won"


async def one_round(store: RecordStore) -> None:
    await store.create(A_TENANT, approval := an_approval())

    results = await asyncio.gather(*(decide(store, approval, number) for number in range(50)))

    final = (await store.read(A_TENANT, ApprovalRecord, approval.id)).record
    assert 1 == results.count("won")
    assert {(final.status, final.decided_by)} == {
        (loser.status, loser.decided_by) for loser in results if isinstance(loser, ApprovalRecord)
    }
    assert 1 == len(final.decisions)


async def test_of_fifty_decisions_at_once_one_wins_and_the_others_are_answered_with_it(
    store: RecordStore,
) -> None:
    for _ in range(ROUNDS):
        await one_round(store)


@pytest.mark.slow
async def test_of_fifty_decisions_at_once_one_wins_a_thousand_times(store: RecordStore) -> None:
    for _ in range(THOUSAND):
        await one_round(store)


# --- people against the clock ---------------------------------------------------------------------


async def race_with_expiry(store: RecordStore, life: timedelta) -> str:
    """How an approval ended that lives so long; a person decides it at once while the clock looks
    all the time.
    """
    await store.create(A_TENANT, approval := an_approval(expires_at=utc_now() + life))

    async def expire() -> None:
        while (await store.read(A_TENANT, ApprovalRecord, approval.id)).record.status == "pending":
            await lifecycle.change(
                store, A_TENANT, approval.id, lambda one: apply_timers(one, utc_now())
            )

    outcome, _ = await asyncio.gather(decide(store, approval, 1), expire())
    final = (await store.read(A_TENANT, ApprovalRecord, approval.id)).record
    assert (outcome == "won") == (final.status == "approved")
    assert (outcome == "won") != (final.status == "expired")
    assert ["decided" if outcome == "won" else "expired"] == [entry.what for entry in final.history]
    return final.status


async def races_with_expiry(store: RecordStore, rounds: int) -> Counter[str]:
    """How they ended. Who lost gets a little more time in the next, so that each race is a close
    one.
    """
    outcomes: Counter[str] = Counter()
    life = timedelta(milliseconds=10)
    for _ in range(rounds):
        outcome = await race_with_expiry(store, life)
        outcomes[outcome] += 1
        life *= 1.1 if outcome == "expired" else 0.9
    return outcomes


async def test_a_decision_and_the_expiry_never_both_count(store: RecordStore) -> None:
    outcomes = await races_with_expiry(store, ROUNDS * 5)

    assert {"approved", "expired"} == outcomes.keys()


@pytest.mark.slow
async def test_a_decision_and_the_expiry_never_both_count_in_a_thousand_races(
    store: RecordStore, record_property: Callable[[str, object], None]
) -> None:
    outcomes = await races_with_expiry(store, THOUSAND)

    record_property("outcomes", dict(outcomes))
    assert min(outcomes["approved"], outcomes["expired"]) > THOUSAND / 10
