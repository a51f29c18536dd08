"""What the person reads before they decide in Prefect's UI: Markdown, text from outside escaped."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime

from blocks.approvals.decisions import is_for_anyone
from blocks.approvals.standing import stage_of
from blocks.contracts.records import ApprovalRecord
from blocks.observability.plain_text import cut, plain, plain_lines

_SUMMARY_MAX = 2_000
_TEXT_MAX = 200

_MARKUP = re.compile(r"([\\`\[\]<>|#!~&])")
"""What makes links, pictures, code, headings, tables or HTML; emphasis stays."""
_EMPHASIS = re.compile(r"([*_])")


def question_of(
    approval: ApprovalRecord, *, api: str, is_trusted: bool, refusal: str | None = None
) -> str:
    """What is asked, the figures, and where else it can be decided.

    `api`: where the tenants' API is. `is_trusted`: a name typed here is that user's word.
    `refusal`: why the last answer did not count.
    """
    parts = [
        f"**The last answer did not count:** {_escaped(refusal, _TEXT_MAX)}" if refusal else "",
        _summary(approval),
        "\n".join(f"- {name}: {value}" for name, value in _facts(approval)),
        _who_decides(approval, is_trusted=is_trusted),
        _elsewhere(approval, api),
    ]
    return "\n\n".join(part for part in parts if part)


def waiting_text(approval: ApprovalRecord, refusal: str | None = None) -> str:
    """The message of the suspended state."""
    waits = f"Waits for a decision on {plain(approval.about)[:_TEXT_MAX]} (approval {approval.id})"
    return f"The last answer did not count: {plain(refusal)[:500]}. {waits}" if refusal else waits


def _summary(approval: ApprovalRecord) -> str:
    """The record's summary, of which only emphasis and line breaks are kept."""
    text = plain_lines(approval.summary).strip() or f"Approve {approval.about}?"
    return _MARKUP.sub(r"\\\1", cut(text, _SUMMARY_MAX))


def _facts(approval: ApprovalRecord) -> Iterator[tuple[str, str]]:
    yield "Subject", _escaped(approval.about, _TEXT_MAX)
    if approval.opportunity_id:
        yield "Amount", f"{approval.amount:,.2f}" if approval.amount_known else "not known"
        yield "Risk score", f"{approval.risk_score:g}"
    for name, text in (("Owner", approval.owner_id), ("Asked by", approval.requested_by)):
        if text:
            yield name, _escaped(text, _TEXT_MAX)
    for name, at in (("Due", approval.due_at), ("Expires", approval.expires_at)):
        if at:
            yield name, _moment(at)
    if where := stage_of(approval):
        yield "Stage", _escaped(where, _TEXT_MAX)
    for one in approval.questions:
        yield f"Question of {_escaped(one.actor, _TEXT_MAX)}", _escaped(one.text, _TEXT_MAX)
        yield "Answer", _escaped(one.answer or "none yet", _TEXT_MAX)
    yield "Tenant", f"`{approval.tenant_id}`"


def _who_decides(approval: ApprovalRecord, *, is_trusted: bool) -> str:
    if is_trusted:
        return ""
    if not is_for_anyone(approval):
        return (
            "**This form cannot decide it:** it asks for people by name, role or number, and a "
            "name typed here is not proven. Decide it as below."
        )
    return "A name typed here is not proven: it is recorded as a claim."


def _elsewhere(approval: ApprovalRecord, api: str) -> str:
    document = f"{api}/api/v1/hitl/approvals/{approval.id}"
    return (
        f"The whole record: [{document}]({document}), or "
        f"`orchestrator approvals show {approval.id} --tenant {approval.tenant_id}`"
    )


def _escaped(text: str, at_most: int) -> str:
    marked = _MARKUP.sub(r"\\\1", cut(plain(text), at_most))
    return _EMPHASIS.sub(r"\\\1", marked)


def _moment(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
