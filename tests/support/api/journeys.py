"""Journeys of claim recovery as tests need them."""

from typing import Any

import msgspec

from blocks.contracts.claims.phases import WORKFLOW, PhaseNumber
from blocks.contracts.claims.requests import PhaseTrigger
from blocks.contracts.records.claims import JourneyInput, PhaseRecord
from blocks.contracts.states import ExecutionStatus
from blocks.ports import RecordStore
from tests.support.factories import A_TENANT, an_execution, new_id, now

A_USER = "user-1"


def a_phase(
    *, sync_id: str = "sync-1", number: PhaseNumber = 2, tenant_id: str = A_TENANT, **changes: Any
) -> PhaseRecord:
    """A phase that was requested and has not begun, unless `changes` has it otherwise."""
    at = now()
    trigger = PhaseTrigger(phase=number, user_id=A_USER, sync_id=sync_id, names_sync=True)
    facts = {
        "id": new_id(),
        "created_at": at,
        "requested_at": at,
        "execution_id": new_id(),
        "status": "requested",
    }
    return PhaseRecord(
        tenant_id=tenant_id,
        sync_id=sync_id,
        phase=number,
        trigger=trigger,
        **{"user_id": A_USER, **facts, **changes},
    )


async def a_journey(
    store: RecordStore, tenant_id: str = A_TENANT, *, status: ExecutionStatus = "pending"
) -> PhaseRecord:
    """A journey in the store, under a sync id that is the id of the phase which this returns."""
    sync_id, ended = new_id(), status in ("completed", "failed")
    journey = an_execution(
        tenant_id=tenant_id,
        workflow=WORKFLOW,
        subject=A_USER,
        status=status,
        input=msgspec.to_builtins(JourneyInput(user_id=A_USER, sync_id=sync_id)),
        completed_at=now() if ended else None,
        announced_at=now() if ended else None,
    )
    await store.create(tenant_id, journey)
    phase = a_phase(id=sync_id, sync_id=sync_id, tenant_id=tenant_id, execution_id=journey.id)
    return (await store.create(tenant_id, phase)).record
