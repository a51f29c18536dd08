"""`/api/v1/evidence/audit-log/{claimId}`: what happened to the prompts and the packet of a claim.

It is computed from their records, which only ever add to it, and from the tenant's audit log.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Annotated

from litestar import get
from litestar.params import PathParameter, QueryParameter

from api.access.tenancy import TenantId
from api.claims.evidence import prompt_examples as examples
from api.claims.evidence.packet_download import DOWNLOADED
from api.claims.evidence.packet_errors import ClaimUnknown
from api.claims.evidence.prompt_documents import ClaimAct, ClaimAudit, ClaimAuditLine
from api.documentation.openapi import documented
from api.http.records import Store
from blocks.contracts import ids
from blocks.contracts.approvals import HistoryEntry, What
from blocks.contracts.claims.phases import WORKFLOW
from blocks.contracts.claims.prompts import CHOSEN, GATE, prompt_of
from blocks.contracts.reading.limits import COUNT_MAX
from blocks.contracts.records import ApprovalRecord
from blocks.contracts.records.audit import AuditEntry
from blocks.contracts.records.claims import ClaimRecord, PacketRecord
from blocks.ports import Contains, NotFound, RecordStore
from blocks.queries import every

_ACTS: Mapping[What, ClaimAct] = {
    "requested": "prompt_created",
    "decided": "prompt_answered",
    "expired": "prompt_expired",
    "cancelled": "prompt_cancelled",
}


@get(
    "/evidence/audit-log/{claimId:str}",
    summary="Read what happened about a claim's evidence",
    tags=["Evidence"],
    responses=documented(examples.CLAIM_AUDIT, ClaimUnknown),
)
async def read_claim_audit(
    store: Store,
    tenant_id: TenantId,
    claim_id: Annotated[str, PathParameter(name="claimId")],
    limit: Annotated[int, QueryParameter(description="Entries in the answer", ge=1, le=200)] = 50,
    offset: Annotated[
        int, QueryParameter(description="Entries to leave out first", ge=0, le=COUNT_MAX)
    ] = 0,
) -> ClaimAudit:
    """Prompts created, answered, expired and cancelled, packets generated, and the first download
    of a packet by each link, newest first.
    """
    claims = [
        one.record async for one in every(store, tenant_id, ClaimRecord, {"claim_id": claim_id})
    ]
    lines = [line async for line in _lines(store, tenant_id, claim_id, claims)]
    if not claims and not lines:
        raise ClaimUnknown
    newest_first = sorted(lines, key=lambda line: line.at, reverse=True)
    return ClaimAudit(
        claim_id=claim_id,
        total=len(lines),
        limit=limit,
        offset=offset,
        entries=newest_first[offset : offset + limit],
    )


async def _lines(
    store: RecordStore, tenant_id: str, claim_id: str, claims: list[ClaimRecord]
) -> AsyncIterator[ClaimAuditLine]:
    of_claim = {"workflow": WORKFLOW, "gate": GATE, "subject": claim_id}
    async for approval in every(store, tenant_id, ApprovalRecord, of_claim):
        if prompt_of(approval.record) is not None:
            for line in _of_prompt(approval.record):
                yield line
    for claim in claims:
        if line_of_packet := await _of_packet(store, claim):
            yield line_of_packet
        async for download in _downloads(store, claim):
            yield download


def _of_prompt(approval: ApprovalRecord) -> list[ClaimAuditLine]:
    return [
        ClaimAuditLine(
            action=_ACTS[entry.what],
            at=entry.at,
            prompt_id=approval.id,
            actor=entry.actor,
            channel=entry.channel,
            details=_details(approval, entry),
        )
        for entry in approval.history
        if entry.what in _ACTS
    ]


def _details(approval: ApprovalRecord, entry: HistoryEntry) -> str | None:
    """The chosen option and the reason of an answer."""
    if entry.what != "decided":
        return entry.note
    chosen = (approval.decisions[-1].form or {}).get(CHOSEN, entry.outcome)
    return f"{chosen}: {entry.note}" if entry.note else str(chosen)


async def _of_packet(store: RecordStore, claim: ClaimRecord) -> ClaimAuditLine | None:
    try:
        packet_id = ids.packet_id(claim.id)
        packet = (await store.read(claim.tenant_id, PacketRecord, packet_id)).record
    except NotFound:
        return None
    if packet.status not in ("completed", "failed") or packet.generation_completed_at is None:
        return None
    return ClaimAuditLine(
        action="packet_generated" if packet.status == "completed" else "packet_failed",
        at=packet.generation_completed_at,
        packet_id=packet.id,
        details=packet.error,
    )


async def _downloads(store: RecordStore, claim: ClaimRecord) -> AsyncIterator[ClaimAuditLine]:
    """Actor: for whom the link was issued. Neither link nor signature is on the log."""
    packet_id = ids.packet_id(claim.id)
    of_packet = {"action": DOWNLOADED, "targets": Contains(packet_id)}
    async for entry in every(store, claim.tenant_id, AuditEntry, of_packet):
        yield ClaimAuditLine(
            action="packet_downloaded",
            at=entry.record.created_at,
            packet_id=packet_id,
            actor=entry.record.actor,
            channel=entry.record.channel,
        )
