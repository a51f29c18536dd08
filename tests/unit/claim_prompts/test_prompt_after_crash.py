"""A run that dies between the note on a claim and its prompt leaves no claim waiting in vain."""

from pathlib import Path

from msgspec.structs import replace

from blocks.clock import utc_now
from blocks.contracts import ids
from blocks.contracts.claims.prompts import GATE
from blocks.contracts.records import ApprovalRecord
from blocks.contracts.records.claims import ClaimRecord
from blocks.ports import RecordStore, Stored
from tests.support.factories import A_TENANT
from tests.support.journeys.carried import carried


async def noted(store: RecordStore, claim: Stored[ClaimRecord]) -> str:
    """The claim waits for a prompt that was never written."""
    approval_id = ids.approval_id(claim.record.id, GATE, 0)
    asks = replace(claim.record, status="prompted", approval_id=approval_id, updated_at=utc_now())
    await store.replace(A_TENANT, claim.etag, asks)
    return approval_id


async def test_the_next_run_of_phase_4_asks_what_the_one_before_it_left_unasked(
    tmp_path: Path,
) -> None:
    async with carried(tmp_path) as here:
        match = {"claim_id": "c-1"}
        journey = await here.triggered(4, matches=[{**match, "confidence": 0.1}])
        [claim] = await here.claims(journey.id)
        stored = await here.store.read(A_TENANT, ClaimRecord, claim.id)
        approval_id = await noted(here.store, stored)

        await here.triggered(4, matches=[{**match, "confidence": 0.7}])

        asked = (await here.store.read(A_TENANT, ApprovalRecord, approval_id)).record
        assert ("pending", "c-1") == (asked.status, asked.about)
