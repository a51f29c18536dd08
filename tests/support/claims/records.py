"""Claims, their journeys and the prompts about them, as a test wants them."""

from datetime import timedelta
from typing import Any

import msgspec
from msgspec.structs import replace

from blocks.contracts import ids
from blocks.contracts.approvals import ApprovalPolicy, HistoryEntry
from blocks.contracts.claims.phases import WORKFLOW
from blocks.contracts.claims.prompts import GATE, OPTIONS, Prompt
from blocks.contracts.records import ApprovalRecord, ExecutionRecord
from blocks.contracts.records.claims import ClaimRecord, JourneyInput
from tests.support.factories import A_TENANT, an_approval, an_execution, new_id, now

A_USER = "seller-1"


def a_journey(**changes: Any) -> ExecutionRecord:
    """One at rest."""
    sync_id = new_id()
    journey = an_execution(
        id=ids.journey_id(changes.get("tenant_id", A_TENANT), A_USER, sync_id),
        workflow=WORKFLOW,
        subject=A_USER,
        status="waiting",
        input=msgspec.to_builtins(JourneyInput(user_id=A_USER, sync_id=sync_id)),
    )
    return replace(journey, **changes)


def a_claim(journey: ExecutionRecord | None = None, **changes: Any) -> ClaimRecord:
    """A claim of 125.50 dollars for which evidence was found."""
    journey, claim_id = journey or a_journey(), new_id()
    claim = ClaimRecord(
        id=ids.claim_key(journey.tenant_id, A_USER, claim_id),
        tenant_id=journey.tenant_id,
        created_at=now(),
        updated_at=now(),
        claim_id=claim_id,
        user_id=A_USER,
        execution_id=journey.id,
        sync_id=str(journey.input["syncId"]),
        status="matched",
        amount_cents=12_550,
    )
    return replace(claim, **changes)


def a_prompt_about(claim: ClaimRecord, **changes: Any) -> ApprovalRecord:
    """The approval that asks about this claim, and is pending for a day."""
    prompt = Prompt(
        claim_key=claim.id,
        claim_id=claim.claim_id,
        user_id=claim.user_id,
        sync_id=claim.sync_id,
        question="Does it prove the claim?",
        options=list(OPTIONS),
    )
    approval = an_approval(
        id=new_id(),
        tenant_id=claim.tenant_id,
        opportunity_id=None,
        subject=claim.claim_id,
        workflow=WORKFLOW,
        gate=GATE,
        execution_id=claim.execution_id,
        policy=ApprovalPolicy(reason_required="never"),
        context=msgspec.to_builtins(prompt),
        expires_at=now() + timedelta(days=1),
        history=[HistoryEntry(what="requested", at=now())],
    )
    return replace(approval, **changes)
