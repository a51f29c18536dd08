"""Smart prompts: a person is asked about a claim, and the claim moves on by the answer.

| the approval | the claim, while it is `prompted` by this approval |
| --- | --- |
| approved | stays `prompted`; phase 5 is requested, which submits it |
| rejected: the evidence | `declined` |
| rejected: more evidence, or a specialist | `review` |
| expired, or withdrawn | `review`: silence submits nothing, and a person outside may still act |

The claim names its approval before the approval exists, so an approval that no claim names, whoever
wrote it, moves nothing.
"""

import logging
from datetime import datetime
from typing import Any

import msgspec
from msgspec.structs import replace

from blocks.approvals import lifecycle
from blocks.approvals.terms import terms_of
from blocks.claims import journeys, moving, prompt_rules, triggers
from blocks.clock import utc_now
from blocks.contracts import ids
from blocks.contracts.approvals import OUTCOMES, ApprovalRule, HistoryEntry
from blocks.contracts.claims.findings import Match
from blocks.contracts.claims.phases import WORKFLOW
from blocks.contracts.claims.prompts import GATE, OPTIONS, Prompt, answer_to, prompt_of
from blocks.contracts.claims.requests import PhaseTrigger
from blocks.contracts.records import ApprovalRecord, ExecutionRecord
from blocks.contracts.records.claims import ClaimRecord, ClaimStatus, PhaseRecord
from blocks.ports import EventBus, NotFound, RecordStore, Stored, Unavailable
from blocks.settings import Settings
from blocks.updates import update

log = logging.getLogger(__name__)

ASKABLE: tuple[ClaimStatus, ...] = ("found", "matched")


# --- ask ------------------------------------------------------------------------------------------


async def ask(
    store: RecordStore,
    bus: EventBus,
    settings: Settings,
    claim: Stored[ClaimRecord],
    match: Match,
    journey: ExecutionRecord,
) -> ApprovalRecord | None:
    """A person is asked whether the matched evidence proves the claim, once for each of its
    submissions; the claim is `prompted`. None: the claim has moved on, and nothing is asked.

    Raises `Unavailable`.
    """
    record = claim.record
    prompt = Prompt(
        claim_key=record.id,
        claim_id=record.claim_id,
        user_id=record.user_id,
        sync_id=record.sync_id,
        question=f"Does document {match.evidence_document_id or '(unnamed)'} prove claim "
        f"{record.claim_id}?",
        options=list(OPTIONS),
        confidence=match.confidence,
        evidence_document_id=match.evidence_document_id,
        match_type=match.match_type,
        reasoning=match.reasoning,
    )
    return await put(
        store,
        bus,
        settings,
        record,
        prompt,
        rule=await prompt_rules.prompt_rule(store, record.tenant_id, settings),
        approval_id=ids.approval_id(record.id, GATE, record.submissions),
        askable=ASKABLE,
        retry=journey.retries,
    )


async def put(
    store: RecordStore,
    bus: EventBus,
    settings: Settings,
    claim: ClaimRecord,
    prompt: Prompt,
    *,
    rule: ApprovalRule,
    approval_id: str,
    askable: tuple[ClaimStatus, ...],
    retry: int = 0,
    asked_by: str | None = None,
) -> ApprovalRecord | None:
    """The claim waits for this prompt, or for the one that it waits for already, which is returned
    then. None: it is in none of these states.

    Raises `Unavailable`: the same call again completes it.
    """
    claim = await _prompted(store, claim, approval_id, askable)
    if claim.status != "prompted" or claim.approval_id is None:
        return None
    terms = terms_of(rule, utc_now())
    approval = _approval_of(claim, claim.approval_id, prompt, terms, retry, asked_by)
    await lifecycle.open_approval(store, approval, settings.server)
    now = (await store.read(claim.tenant_id, ClaimRecord, claim.id)).record
    stored = await moving.bring_prompt(store, now, approval.id)
    try:
        stored = await lifecycle.announce(store, bus, stored)
    except Unavailable as error:
        log.warning("prompt %s is published later: %s", stored.record.id, error)
    await moving.withdraw_if_cancelled(store, now)
    return stored.record


async def _prompted(
    store: RecordStore, claim: ClaimRecord, approval_id: str, askable: tuple[ClaimStatus, ...]
) -> ClaimRecord:
    async def prompted() -> ClaimRecord:
        stored = await store.read(claim.tenant_id, ClaimRecord, claim.id)
        if stored.record.status not in askable:
            return stored.record
        changed = replace(
            stored.record, status="prompted", approval_id=approval_id, updated_at=utc_now()
        )
        return (await store.replace(claim.tenant_id, stored.etag, changed)).record

    return await update(prompted, f"claim {claim.claim_id}")


def _approval_of(
    claim: ClaimRecord,
    approval_id: str,
    prompt: Prompt,
    terms: dict[str, Any],
    retry: int,
    asked_by: str | None,
) -> ApprovalRecord:
    now = utc_now()
    offered = {option.outcome for option in prompt.options}
    return ApprovalRecord(
        id=approval_id,
        tenant_id=claim.tenant_id,
        created_at=now,
        requested_at=now,
        subject=claim.claim_id,
        amount=(claim.amount_cents or 0) / 100,
        amount_known=claim.amount_cents is not None,
        execution_id=claim.execution_id,
        retry=retry,
        workflow=WORKFLOW,
        gate=GATE,
        requested_by=asked_by,
        summary=_summary(claim, prompt),
        context=msgspec.to_builtins(prompt),
        options=tuple(outcome for outcome in OUTCOMES if outcome in offered),
        **terms,
        history=[HistoryEntry(what="requested", at=now, actor=asked_by or WORKFLOW)],
    )


def _summary(claim: ClaimRecord, prompt: Prompt) -> str:
    lines = [f"**{prompt.question}**", f"- Claim: {claim.claim_id} {claim.claim_type}".rstrip()]
    if claim.amount_cents is not None:
        units, cents = divmod(claim.amount_cents, 100)
        lines.append(f"- Amount: {units:,}.{cents:02} {claim.currency.upper()}")
    if prompt.confidence is not None:
        lines.append(f"- Confidence of the match: {prompt.confidence:.2f}")
    if prompt.evidence_document_id:
        lines.append(f"- Document: {prompt.evidence_document_id}")
    if prompt.reasoning:
        lines.append(f"- Why it was matched: {prompt.reasoning}")
    lines.append("\nApproving submits the claim; rejecting declines it.")
    return "\n".join(lines)


# --- settle ---------------------------------------------------------------------------------------


async def settle_prompt(store: RecordStore, bus: EventBus, approval: ApprovalRecord) -> None:
    """The claim has moved on by what was decided, and its journey goes on; nothing for an approval
    that is pending or is no prompt, or whose claim has moved on otherwise. Safe to repeat.

    Raises `Unavailable`.
    """
    prompt = prompt_of(approval)
    if prompt is None or approval.status == "pending":
        return
    try:
        claim = (await store.read(approval.tenant_id, ClaimRecord, prompt.claim_key)).record
    except NotFound:
        log.warning("prompt %s is about no claim that is known", approval.id)
        return
    if claim.approval_id != approval.id:
        return
    answer = answer_to(approval, prompt)
    if answer == "confirm_evidence":
        if claim.status == "prompted":
            await _submit(store, bus, claim, approval)
        return
    status: ClaimStatus = "declined" if answer == "reject_evidence" else "review"
    await _leave(store, claim, approval.id, status)
    await _wake(store, bus, claim)


async def _submit(
    store: RecordStore, bus: EventBus, claim: ClaimRecord, approval: ApprovalRecord
) -> None:
    trigger = PhaseTrigger(
        phase=5,
        user_id=claim.user_id,
        sync_id=claim.sync_id,
        names_sync=True,
        claim_id=claim.claim_id,
    )
    await triggers.accept(
        store,
        bus,
        claim.tenant_id,
        trigger,
        triggered_by="approval",
        actor=approval.decided_by,
        since=await _since(store, claim, approval),
    )


async def _since(
    store: RecordStore, claim: ClaimRecord, approval: ApprovalRecord
) -> datetime | None:
    """A submission that was requested while the question was open stands, unless it has failed; one
    that was requested after the answer stands in any case.
    """
    try:
        phase_id = ids.phase_record_id(claim.id, 5)
        known = (await store.read(claim.tenant_id, PhaseRecord, phase_id)).record
    except NotFound:
        return approval.decided_at
    return approval.decided_at if known.status == "failed" else approval.requested_at


async def _leave(
    store: RecordStore, claim: ClaimRecord, approval_id: str, status: ClaimStatus
) -> None:
    async def left() -> None:
        stored = await store.read(claim.tenant_id, ClaimRecord, claim.id)
        if (stored.record.status, stored.record.approval_id) != ("prompted", approval_id):
            return
        changed = replace(stored.record, status=status, updated_at=utc_now())
        await store.replace(claim.tenant_id, stored.etag, changed)

    await update(left, f"claim {claim.claim_id}")


async def _wake(store: RecordStore, bus: EventBus, claim: ClaimRecord) -> None:
    """What has ended stays so: an answer that submits nothing gives it no work."""
    journey = (await store.read(claim.tenant_id, ExecutionRecord, claim.execution_id)).record
    if not journey.is_terminal:
        await journeys.wake(store, bus, claim.tenant_id, journey.id)
