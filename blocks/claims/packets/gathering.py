"""The facts of a packet, read from the records of the claim and of its journeys."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from blocks.claims.money.ledger import read_fee
from blocks.claims.packets.facts import EvidenceDocument, PacketFacts, PromptFact
from blocks.contracts import ids
from blocks.contracts.records import ApprovalRecord
from blocks.contracts.records.claims import ClaimRecord, PhaseLogEntry, PhaseRecord
from blocks.ports import NotFound, RecordStore
from blocks.queries import every

_NAMES_OF_ID = ("evidence_document_id", "document_id", "id")
_NAMES_OF_FILE = ("filename", "file_name", "name", "title")


class NotPaid(Exception):
    """The claim's fee is not settled: there is nothing to prove yet."""


async def facts_of(store: RecordStore, claim: ClaimRecord) -> PacketFacts:
    """What is known of the claim now. Raises `NotPaid`."""
    fee = await read_fee(store, claim.tenant_id, claim.id)
    if fee is None or fee.status != "charged":
        raise NotPaid(f"claim {claim.claim_id} is not paid")
    journeys = tuple(dict.fromkeys((claim.execution_id, fee.execution_id, *claim.joined_from)))
    prompts = await _prompts(store, claim, journeys)
    return PacketFacts(
        claim=claim,
        fee=fee,
        documents=documents_in(
            [
                *_listed(claim.details.get("evidence")),
                *await _matches(store, claim),
                *(prompt.context for prompt in prompts),
            ]
        ),
        prompts=[_fact_of(prompt) for prompt in prompts],
        timeline=await _timeline(store, claim, journeys),
    )


def documents_in(found: Iterable[Mapping[str, Any]]) -> list[EvidenceDocument]:
    """Each document once, in the order in which they came; what is known of it is put together."""
    known: dict[str, dict[str, Any]] = {}
    for one in found:
        if (id := _first(one, _NAMES_OF_ID)) is not None:
            known[id] = {**known.get(id, {}), **one}
    return [
        EvidenceDocument(id=id, filename=_first(one, _NAMES_OF_FILE) or id, metadata=one)
        for id, one in known.items()
    ]


def _listed(evidence: Any) -> list[Mapping[str, Any]]:
    """As services write evidence: objects, or ids alone, one or many."""
    items = evidence if isinstance(evidence, list) else [evidence]
    return [
        item if isinstance(item, dict) else {"id": item}
        for item in items
        if isinstance(item, dict | str) and item
    ]


def _first(one: Mapping[str, Any], names: Iterable[str]) -> str | None:
    return next(
        (value for name in names if isinstance(value := one.get(name), str) and value), None
    )


async def _matches(store: RecordStore, claim: ClaimRecord) -> list[dict[str, Any]]:
    """The evidence that phase 4 has routed the claim by."""
    phase_4 = ids.phase_record_id(claim.execution_id, 4)
    try:
        trigger = (await store.read(claim.tenant_id, PhaseRecord, phase_4)).record.trigger
    except NotFound:
        return []
    return [
        {
            "evidence_document_id": match.evidence_document_id,
            "match_confidence": match.confidence,
            "match_type": match.match_type,
            "reasoning": match.reasoning,
        }
        for match in trigger.matches
        if match.claim_id == claim.claim_id
    ]


async def _prompts(
    store: RecordStore, claim: ClaimRecord, journeys: Collection[str]
) -> list[ApprovalRecord]:
    """Oldest first."""
    where = {"execution_id": tuple(journeys)}
    return [
        stored.record
        async for stored in every(store, claim.tenant_id, ApprovalRecord, where)
        if stored.record.id == claim.approval_id or _is_about(claim, stored.record)
    ]


def _is_about(claim: ClaimRecord, approval: ApprovalRecord) -> bool:
    return claim.claim_id in (approval.context.get("claim_id"), approval.context.get("claimId"))


def _fact_of(approval: ApprovalRecord) -> PromptFact:
    decision = approval.decisions[-1] if approval.decisions else None
    chosen = _first((decision and decision.form) or {}, ("text", "selected_option", "option"))
    return PromptFact(
        question=approval.summary,
        status=approval.status,
        asked_at=approval.requested_at,
        answer=chosen,
        answered_by=approval.decided_by,
        answered_at=approval.decided_at,
        reason=decision.reason if decision else approval.comment,
    )


async def _timeline(
    store: RecordStore, claim: ClaimRecord, journeys: Collection[str]
) -> list[PhaseLogEntry]:
    where = {"execution_id": tuple(journeys), "claim_key": (None, claim.id)}
    return [stored.record async for stored in every(store, claim.tenant_id, PhaseLogEntry, where)]
