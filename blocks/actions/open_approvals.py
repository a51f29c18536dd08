"""The open approvals that hang on an execution now."""

from contextlib import suppress

from blocks.contracts import workflows
from blocks.contracts.claims.prompts import prompt_of
from blocks.contracts.records import ApprovalRecord, ExecutionRecord
from blocks.contracts.records.claims import ClaimRecord
from blocks.ports import NotFound, RecordStore, Stored
from blocks.queries import every


async def open_approvals(
    store: RecordStore, execution: ExecutionRecord
) -> list[Stored[ApprovalRecord]]:
    """The pending ones that name it. Where they are prompts: those of its claims, whichever
    execution they name; a claim takes its prompt along when it joins another.
    """
    named = {"execution_id": execution.id, "status": "pending"}
    pending = every(store, execution.tenant_id, ApprovalRecord, named, skips_unreadable=True)
    found = [one async for one in pending]
    if not workflows.has_prompts(execution.workflow):
        return found
    own = [one for one in found if await _is_of(store, execution, one.record)]
    known = {one.record.id for one in own}
    prompted = {"execution_id": execution.id, "status": "prompted"}
    async for claim in every(store, execution.tenant_id, ClaimRecord, prompted):
        if claim.record.approval_id and claim.record.approval_id not in known:
            own += await _pending(store, execution.tenant_id, claim.record.approval_id)
    return own


async def _is_of(store: RecordStore, journey: ExecutionRecord, approval: ApprovalRecord) -> bool:
    """Whether the claim that it asks about, if it is a prompt, belongs to this journey."""
    if (prompt := prompt_of(approval)) is None:
        return True
    try:
        claim = await store.read(approval.tenant_id, ClaimRecord, prompt.claim_key)
    except NotFound:
        return True
    return claim.record.execution_id == journey.id


async def _pending(store: RecordStore, tenant_id: str, id: str) -> list[Stored[ApprovalRecord]]:
    with suppress(NotFound):  # it is just being asked: who asks looks at the journey afterwards
        stored = await store.read(tenant_id, ApprovalRecord, id)
        return [stored] if stored.record.status == "pending" else []
    return []
