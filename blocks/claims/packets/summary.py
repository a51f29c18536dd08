"""The summary of a proof packet: a PDF that is sent to the customer."""

from datetime import UTC, datetime
from typing import Any

from reportlab.platypus import CondPageBreak, Flowable, Spacer, Table, TableStyle

from blocks.claims.packets import styles
from blocks.claims.packets.amounts import percent_shown, shown
from blocks.claims.packets.facts import EvidenceDocument, PacketFacts, PromptFact
from blocks.claims.packets.pages import pdf_of
from blocks.claims.packets.styles import (
    ACCENT,
    INK,
    LINE,
    PALE,
    WIDTH,
    figure,
    listing,
    pairs,
    paragraph,
)
from blocks.contracts.claims.phases import PHASES
from blocks.contracts.records.claims import PhaseLogEntry

LINES_MAX = 200
"""Of one list; the archive has what is left out."""

_UNKNOWN = "—"
_BEGIN_HEIGHT = 110
"""A section begins on the next page if there is no more room than this, in points."""


def summary_of(facts: PacketFacts, packet_id: str, generated_at: datetime) -> bytes:
    """The PDF. The same arguments give the same bytes."""
    story = [
        *_header(facts, generated_at),
        *_money(facts),
        *_claim(facts),
        *_section("Evidence", _evidence(facts.documents)),
        *_section("Questions and decisions", _prompts(facts.prompts)),
        *_section("How it went", _timeline(facts.timeline)),
    ]
    return pdf_of(
        story,
        title=f"Proof of recovery, claim {facts.claim.claim_id}",
        footer=f"Packet {packet_id}  ·  generated {_time(generated_at)}",
        made_at=generated_at,
    )


def _header(facts: PacketFacts, generated_at: datetime) -> list[Flowable]:
    claim = facts.claim
    about = f"Claim {claim.claim_id}  ·  {generated_at.astimezone(UTC):%d %B %Y}"
    band = Table(
        [[paragraph("Proof of recovery", styles.TITLE)], [paragraph(about, styles.SUBTITLE)]],
        [WIDTH],
        style=TableStyle(
            [
                ("BACKGROUND", (0, 0), (-1, -1), ACCENT),
                ("LEFTPADDING", (0, 0), (-1, -1), 14),
                ("TOPPADDING", (0, 0), (-1, 0), 12),
                ("BOTTOMPADDING", (0, -1), (-1, -1), 12),
            ]
        ),
    )
    sandbox = "Sandbox: this claim is a test, and no real money was moved."
    banner = [Spacer(1, 8), paragraph(sandbox, styles.BANNER)] if claim.is_sandbox else []
    return [band, *banner, Spacer(1, 10)]


def _money(facts: PacketFacts) -> list[Flowable]:
    fee = facts.fee
    figures = (
        ("Recovered", fee.amount_cents, INK),
        (f"Fee ({percent_shown(fee.fee_percent)})", -fee.fee_cents, INK),
        ("You keep", fee.payout_cents, ACCENT),
    )
    width = WIDTH / len(figures)
    cells = [
        [paragraph(label, styles.LABEL) for label, _, _ in figures],
        [figure(shown(cents, fee.currency), colour, width - 24) for _, cents, colour in figures],
    ]
    rules: list[tuple[Any, ...]] = [
        ("BACKGROUND", (0, 0), (-1, -1), PALE),
        ("BOX", (0, 0), (-1, -1), 0.5, LINE),
        ("LINEBEFORE", (1, 0), (-1, -1), 0.5, LINE),
        ("LEFTPADDING", (0, 0), (-1, -1), 12),
        ("TOPPADDING", (0, 0), (-1, 0), 9),
        ("BOTTOMPADDING", (0, -1), (-1, -1), 11),
    ]
    return [Table(cells, [width] * 3, style=TableStyle(rules))]


def _claim(facts: PacketFacts) -> list[Flowable]:
    claim, fee = facts.claim, facts.fee
    found = _UNKNOWN if claim.amount_cents is None else shown(claim.amount_cents, claim.currency)
    rows = [
        ("Customer", claim.user_id),
        ("Claim", claim.claim_id),
        ("Type", _words(claim.claim_type)),
        ("Amazon case", claim.amazon_case_id or _UNKNOWN),
        ("Sync", claim.sync_id),
        ("Amount as found", found),
        ("Confidence of detection", _confidence(claim.confidence)),
        ("Confidence of evidence", _confidence(claim.match_confidence)),
        ("Submitted", _time(claim.submitted_at)),
        ("Amount recovered", f"{shown(fee.amount_cents, fee.currency)} {fee.currency.upper()}"),
        (
            "Platform fee",
            f"{shown(fee.fee_cents, fee.currency)} "
            f"({percent_shown(fee.fee_percent)} of the amount, rounded half up to a cent)",
        ),
        ("What you keep", f"{shown(fee.payout_cents, fee.currency)} {fee.currency.upper()}"),
        ("Charge", fee.charge_id or "none: the fee is 0"),
        ("Settled", _time(fee.charged_at)),
    ]
    return _section("The claim", pairs(rows))


def _evidence(documents: list[EvidenceDocument]) -> Flowable:
    if not documents:
        return paragraph("No evidence documents are on record.", styles.LABEL)
    rows = [
        (f"{number:02d}", document.filename, document.id, _why(document))
        for number, document in enumerate(documents[:LINES_MAX], start=1)
    ]
    return listing(("No.", "Document", "Id", "Why it counts"), rows, (0.07, 0.31, 0.27, 0.35))


def _why(document: EvidenceDocument) -> str:
    known = document.metadata
    kind, reason = known.get("match_type"), known.get("reasoning")
    confidence = known.get("match_confidence")
    parts = [
        _match_shown(kind) if isinstance(kind, str) and kind else "",
        _confidence(confidence) if isinstance(confidence, float | int) else "",
        reason if isinstance(reason, str) else "",
    ]
    return "; ".join(part for part in parts if part) or _UNKNOWN


def _match_shown(kind: str) -> str:
    """`sku_match` is "SKU match"."""
    return _words(kind).replace("Sku", "SKU").replace("Asin", "ASIN")


def _prompts(prompts: list[PromptFact]) -> Flowable:
    if not prompts:
        return paragraph("No question was asked about this claim.", styles.LABEL)
    rows = [
        (
            prompt.question.replace("**", ""),
            "; ".join(part for part in (prompt.answer or prompt.status, prompt.reason) if part),
            f"{prompt.answered_by or _UNKNOWN}, {_time(prompt.answered_at)}",
        )
        for prompt in prompts[:LINES_MAX]
    ]
    return listing(("Question", "Answer", "By"), rows, (0.45, 0.25, 0.3))


def _timeline(entries: list[PhaseLogEntry]) -> Flowable:
    rows = [
        (
            _time(entry.created_at),
            PHASES[entry.phase].title,
            _words(entry.mark),
            _duration(entry.duration_ms),
            entry.error or entry.message or "",
        )
        for entry in entries
        if entry.mark != "started"
    ]
    if not rows:
        return paragraph("The log of phases is empty.", styles.LABEL)
    columns = ("When", "Phase", "What", "Took", "Result")
    return listing(columns, rows[-LINES_MAX:], (0.19, 0.27, 0.15, 0.11, 0.28))


def _section(title: str, content: Flowable) -> list[Flowable]:
    return [CondPageBreak(_BEGIN_HEIGHT), paragraph(title, styles.HEADING), content]


def _words(name: str) -> str:
    return name.replace("_", " ").capitalize() or _UNKNOWN


def _confidence(value: float | None) -> str:
    return _UNKNOWN if value is None else f"{value:.0%}"


def _duration(milliseconds: int | None) -> str:
    return _UNKNOWN if milliseconds is None else f"{milliseconds / 1000:.1f} s"


def _time(moment: datetime | None) -> str:
    return _UNKNOWN if moment is None else f"{moment.astimezone(UTC):%d %b %Y, %H:%M:%S} UTC"
