"""What goes with a claim that joins another journey: its phases and its prompts.

Each function is safe to repeat. Who writes a phase or a prompt for a claim calls it once more after
the write: the claim may have joined another journey since it was read.
"""

from collections.abc import Iterable
from functools import partial

from msgspec.structs import replace

from blocks.actions.cancelling import withdraw_approvals
from blocks.contracts.claims.prompts import GATE, prompt_of
from blocks.contracts.records import ApprovalRecord, ExecutionRecord
from blocks.contracts.records.claims import ClaimRecord, PhaseRecord
from blocks.ports import RecordStore, Stored
from blocks.queries import every
from blocks.updates import update


async def bring_all(store: RecordStore, claim: ClaimRecord) -> None:
    """What the claim left with its former journeys belongs to its journey."""
    for former in claim.joined_from:
        await _move_phases(store, claim, former)
        await _bring_prompts(store, claim, former)
    if claim.joined_from:
        await withdraw_if_cancelled(store, claim)


async def bring_phases(store: RecordStore, joined: Iterable[ClaimRecord]) -> bool:
    """The phases of these claims belong to their claim's journey; whether one did not: a worker may
    die when a claim has joined, and its phases have not.
    """
    moved = [
        await _move_phases(store, claim, former) for claim in joined for former in claim.joined_from
    ]
    return any(moved)


async def bring_phase(store: RecordStore, claim: ClaimRecord, phase_id: str) -> None:
    """The phase belongs to the journey of its claim."""
    await update(partial(_move_phase, store, claim, phase_id), f"phase {phase_id}")


async def bring_prompt(
    store: RecordStore, claim: ClaimRecord, approval_id: str
) -> Stored[ApprovalRecord]:
    """The prompt belongs to the journey of its claim, and names that journey's sync."""
    moved = partial(_move_prompt, store, claim, approval_id)
    return await update(moved, f"approval {approval_id}")


async def withdraw_if_cancelled(store: RecordStore, claim: ClaimRecord) -> None:
    """Nothing is asked in a cancelled journey: its cancellation may not have seen this claim."""
    journey = (await store.read(claim.tenant_id, ExecutionRecord, claim.execution_id)).record
    if journey.status == "cancelled":
        await withdraw_approvals(store, journey, "the journey was cancelled")


async def _move_phases(store: RecordStore, claim: ClaimRecord, former: str) -> bool:
    of_claim, moved = {"execution_id": former, "claim_key": claim.id}, False
    async for stored in every(store, claim.tenant_id, PhaseRecord, of_claim):
        await bring_phase(store, claim, stored.record.id)
        moved = True
    return moved


async def _move_phase(store: RecordStore, claim: ClaimRecord, id: str) -> None:
    stored = await store.read(claim.tenant_id, PhaseRecord, id)
    if stored.record.execution_id == claim.execution_id:
        return
    moved = replace(stored.record, execution_id=claim.execution_id, sync_id=claim.sync_id)
    await store.replace(claim.tenant_id, stored.etag, moved)


async def _bring_prompts(store: RecordStore, claim: ClaimRecord, former: str) -> None:
    asked = {"execution_id": former, "gate": GATE}
    async for stored in every(store, claim.tenant_id, ApprovalRecord, asked):
        prompt = prompt_of(stored.record)
        if prompt is not None and prompt.claim_key == claim.id:
            await bring_prompt(store, claim, stored.record.id)


async def _move_prompt(store: RecordStore, claim: ClaimRecord, id: str) -> Stored[ApprovalRecord]:
    """Neither its version nor its history changes: what is asked, and of whom, stays."""
    stored = await store.read(claim.tenant_id, ApprovalRecord, id)
    if stored.record.execution_id == claim.execution_id:
        return stored
    moved = replace(
        stored.record,
        execution_id=claim.execution_id,
        context={**stored.record.context, "syncId": claim.sync_id},
    )
    return await store.replace(claim.tenant_id, stored.etag, moved)
