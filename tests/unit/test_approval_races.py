"""Many people, one approval: exactly one decision counts, on the real embedded store."""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from blocks import approvals
from blocks.approval_clock import wound_on
from blocks.approval_decisions import AlreadyDecided, Expired, Vote
from blocks.clock import utc_now
from blocks.contracts.records import ApprovalRecord
from blocks.cosmos.record_store import CosmosRecordStore
from blocks.ports import RecordStore
from blocks.sqlite.record_store import SqliteRecordStore
from tests.support.cosmos import CosmosEmulator
from tests.support.factories import A_TENANT, an_approval

ROUNDS = int(os.environ.get("RACE_ROUNDS", "40"))


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[RecordStore]:
    async with SqliteRecordStore(tmp_path / "records.db") as store:
        yield store


async def decide(store: RecordStore, approval: ApprovalRecord, number: int) -> str | ApprovalRecord:
    """`won`, or the approval as the refusal shows it."""
    outcome = "approved" if number % 2 else "rejected"
    vote = Vote(actor=f"user-{number}", outcome=outcome, channel="api")  # type: ignore[arg-type] # a Literal, in fact
    try:
        await approvals.record_vote(store, A_TENANT, approval.id, vote)
    except (AlreadyDecided, Expired) as refusal:
        return refusal.approval
    return "won"


async def one_round(store: RecordStore) -> None:
    await store.create(A_TENANT, approval := an_approval())

    said = await asyncio.gather(*(decide(store, approval, number) for number in range(50)))

    final = (await store.read(A_TENANT, ApprovalRecord, approval.id)).record
    assert 1 == said.count("won")
    assert {(final.status, final.decided_by)} == {
        (loser.status, loser.decided_by) for loser in said if isinstance(loser, ApprovalRecord)
    }
    assert 1 == len(final.decisions)


async def test_of_fifty_decisions_at_once_one_wins_and_the_others_are_told_which(store: RecordStore) -> None:
    for _ in range(ROUNDS):
        await one_round(store)


@pytest.mark.slow
async def test_on_cosmos_db_too_one_wins(cosmos_emulator: CosmosEmulator) -> None:
    """A thousand rounds if `RACE_ROUNDS=1000` says so: the emulator needs a while for each."""
    at = {"database": f"races-{uuid4().hex[:8]}", "ca_file": str(cosmos_emulator.ca_file)}
    async with CosmosRecordStore(cosmos_emulator.endpoint, cosmos_emulator.key, **at) as store:
        await store.provision()
        for _ in range(ROUNDS):
            await one_round(store)


@pytest.mark.slow
async def test_a_thousand_rounds(store: RecordStore) -> None:
    for _ in range(1000):
        await one_round(store)


async def race_with_expiry(store: RecordStore, number: int) -> str:
    approval = an_approval(expires_at=utc_now() + timedelta(milliseconds=number % 7))
    await store.create(A_TENANT, approval)

    async def expire() -> None:
        while (await store.read(A_TENANT, ApprovalRecord, approval.id)).record.status == "pending":
            await approvals.change(store, A_TENANT, approval.id, lambda one: wound_on(one, utc_now()))

    async def say() -> str | ApprovalRecord:
        await asyncio.sleep(0.001 * (number % 5))
        return await decide(store, approval, number)

    said, _ = await asyncio.gather(say(), expire())
    final = (await store.read(A_TENANT, ApprovalRecord, approval.id)).record
    assert (said == "won") == (final.status in ("approved", "rejected"))
    assert (said == "won") != (final.status == "expired")
    return final.status


async def test_a_decision_and_the_expiry_never_both_count(store: RecordStore) -> None:
    outcomes = Counter([await race_with_expiry(store, number) for number in range(ROUNDS * 5)])

    assert outcomes["expired"]
    assert outcomes["approved"] + outcomes["rejected"]


@pytest.mark.slow
async def test_a_thousand_races_with_expiry(store: RecordStore) -> None:
    for number in range(1000):
        await race_with_expiry(store, number)
