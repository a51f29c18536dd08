"""The archive of a proof packet: the summary, the evidence and what programs read."""

import re
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO

import msgspec

from blocks.claims.packets.facts import EvidenceDocument, PacketFacts
from blocks.contracts.claims.money import units
from blocks.contracts.events import JsonObject

_EARLIEST = datetime(1980, 1, 1, tzinfo=UTC)  # what a zip can state
_NAME_MAX = 100
_ENCODER = msgspec.json.Encoder(decimal_format="number", order="deterministic")


def archive_of(facts: PacketFacts, summary: bytes, generated_at: datetime) -> bytes:
    """The zip. The same arguments give the same bytes."""
    made = BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in _members(facts, summary, generated_at):
            archive.writestr(_info(name, generated_at), content, compresslevel=6)
    return made.getvalue()


def metadata_of(facts: PacketFacts, generated_at: datetime) -> JsonObject:
    """As the platform documents it; amounts are numbers with two decimals."""
    claim, fee = facts.claim, facts.fee
    return {
        "claim_id": claim.claim_id,
        "generated_at": generated_at,
        "evidence_documents_count": len(facts.documents),
        "prompts_count": len(facts.prompts),
        "claim_details": {
            "claim_id": claim.claim_id,
            "claim_type": claim.claim_type,
            "user_id": claim.user_id,
            "sync_id": claim.sync_id,
            "amazon_case_id": claim.amazon_case_id,
            "amount": None if claim.amount_cents is None else _number(claim.amount_cents),
            "currency": claim.currency,
            "confidence": claim.confidence,
            "match_confidence": claim.match_confidence,
            "is_sandbox": claim.is_sandbox,
            "submitted_at": claim.submitted_at,
            "details": claim.details,
        },
        "payout_details": {
            "amount": _number(fee.amount_cents),
            "currency": fee.currency,
            "fee_percentage": msgspec.Raw(fee.fee_percent.encode()),
            "platform_fee": _number(fee.fee_cents),
            "seller_payout": _number(fee.payout_cents),
            "charge_id": fee.charge_id,
            "date": fee.charged_at,
        },
    }


def member_name(number: int, document: EvidenceDocument) -> str:
    """`evidence_NN_<filename>`, which no program can mistake for a path."""
    base = re.split(r"[/\\]", document.filename)[-1]
    safe = re.sub(r'[\x00-\x1f\x7f<>:"|?*]|[\ud800-\udfff]', "_", base).strip(" .")[:_NAME_MAX]
    return f"evidence_{number:02d}_{safe or 'document'}" + (
        ".json" if document.content is None else ""
    )


def _members(
    facts: PacketFacts, summary: bytes, generated_at: datetime
) -> Iterator[tuple[str, bytes]]:
    yield "summary.pdf", summary
    for number, document in enumerate(facts.documents, start=1):
        yield member_name(number, document), _content(document)
    yield "metadata.json", _json(metadata_of(facts, generated_at))


def _content(document: EvidenceDocument) -> bytes:
    if document.content is not None:
        return document.content
    return _json(
        {
            "id": document.id,
            "filename": document.filename,
            "note": "the document itself is not in this packet",
            "metadata": document.metadata,
        }
    )


def _json(content: JsonObject) -> bytes:
    return msgspec.json.format(_ENCODER.encode(content), indent=2)


def _number(cents: int) -> msgspec.Raw:
    return msgspec.Raw(units(cents).encode())


def _info(name: str, generated_at: datetime) -> zipfile.ZipInfo:
    moment = max(generated_at.astimezone(UTC), _EARLIEST)
    info = zipfile.ZipInfo(name, moment.timetuple()[:6])
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = 0o644 << 16
    return info
