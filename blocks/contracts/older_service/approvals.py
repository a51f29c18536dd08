"""Approvals as the older service kept them: no execution, no expiry, no policy, no history.

They are read as requests from outside are recorded today: any one user of the tenant with the role
to decide may decide, once, and no reason is demanded. A status that the older service never wrote
is `Unreadable`, so no one decides what may have been decided.
"""

from typing import Any

from msgspec.structs import replace

from blocks.contracts.approvals import HistoryEntry
from blocks.contracts.older_service.form import Document, OlderForm, Unreadable, constants
from blocks.contracts.older_service.values import (
    UNKNOWN_MOMENT,
    carriable,
    first_moment,
    moment,
    number,
    own_id,
    tenant_of,
    text,
)
from blocks.contracts.reading.limits import AMOUNT_MAX, SCORE_MAX
from blocks.contracts.records import ApprovalRecord
from blocks.contracts.records.base import OLDER_SERVICE
from blocks.contracts.states import ApprovalStatus

_STATUSES: tuple[ApprovalStatus, ...] = ("pending", "approved", "rejected")

_REQUESTER = "risk-analytics"
"""The only service that asked the older one."""

_NEVER = 253_402_300_799.0
"""As `next_at`: without reminders and expiry, time alone does nothing to it."""

_PEOPLE = ("ownerId", "approverId", "recipientId", "correlationId")
_DECISION = ("decidedBy", "decidedAt", "comment")


def read_approval(document: Document) -> ApprovalRecord:
    """The approval in a document without `kind`. Raises `Unreadable`.

    An amount or a score that is no number is 0, and the summary states that it is not known.
    """
    fields = carriable(document)
    status = next((one for one in _STATUSES if one == fields.get("status")), None)
    if status is None:
        raise Unreadable(f"its status is {fields.get('status')!r:.80}, none of the older service's")
    subject = text(fields.get("opportunityId"))
    if subject is None:
        raise Unreadable("it names no opportunity")
    requested_at = first_moment(document, "requestedAt")
    amount = number(fields.get("amount"), AMOUNT_MAX)
    score = number(fields.get("riskScore"), SCORE_MAX)
    record = ApprovalRecord(
        id=own_id(document),
        tenant_id=tenant_of(document),
        created_at=requested_at,
        requested_at=requested_at,
        opportunity_id=subject,
        subject=subject,
        risk_score=score or 0.0,
        amount=amount or 0.0,
        amount_known=amount is not None,
        status=status,
        owner_id=text(fields.get("ownerId")),
        approver_id=text(fields.get("approverId")),
        recipient_id=text(fields.get("recipientId")),
        correlation_id=text(fields.get("correlationId")),
        requested_by=_REQUESTER,
        summary=_summary(subject, score, amount),
        history=[HistoryEntry(what="requested", at=requested_at, actor=_REQUESTER)],
        published_count=1,
        next_at=_NEVER,
        origin=OLDER_SERVICE,
        older_fields={
            key: value for key, value in fields.items() if not _is_taken(key, value, status)
        },
    )
    return record if status == "pending" else _settled(record, fields)


def _settled(record: ApprovalRecord, fields: Document) -> ApprovalRecord:
    """With its decision, which the older service has announced."""
    decided_by, comment = text(fields.get("decidedBy")), text(fields.get("comment"))
    at = moment(fields.get("decidedAt"))
    entry = HistoryEntry(
        what="decided",
        at=at or record.requested_at,
        actor=decided_by,
        outcome=record.status,
        note=comment,
    )
    return replace(
        record,
        decided_by=decided_by,
        decided_at=at,
        comment=comment,
        history=[*record.history, entry],
        published_count=2,
        version=2,
        settled_at=entry.at,
    )


def _summary(subject: str, score: float | None, amount: float | None) -> str:
    risk = "unknown" if score is None else f"{score:g}"
    money = "unknown" if amount is None else f"{amount:,.0f}"
    return (
        f"**Approve opportunity {subject}?** {_REQUESTER} asks: its risk score is {risk}, its "
        f"amount {money}."
    )


def _is_taken(key: str, value: Any, status: ApprovalStatus) -> bool:
    """Whether the record has this value in a field of its own."""
    if key in ("id", "tenantId", "status") or value is None:
        return True
    if key in ("amount", "riskScore"):
        limit = AMOUNT_MAX if key == "amount" else SCORE_MAX
        return not isinstance(value, str) and number(value, limit) is not None
    if key in ("requestedAt", "decidedAt"):
        return moment(value) is not None and (key == "requestedAt" or status != "pending")
    if key in _DECISION:
        return status != "pending" and text(value) == value
    return key in ("opportunityId", *_PEOPLE) and text(value) == value


APPROVALS = OlderForm(
    read=read_approval,
    constant=constants(
        ApprovalRecord(
            id="",
            tenant_id="",
            created_at=UNKNOWN_MOMENT,
            requested_at=UNKNOWN_MOMENT,
            requested_by=_REQUESTER,
            next_at=_NEVER,
            origin=OLDER_SERVICE,
        ),
        varying=frozenset(
            {
                *("id", "tenantId", "kind", "createdAt", "requestedAt", "opportunityId", "subject"),
                *("riskScore", "amount", "amountKnown", "status", "summary", "history", "told"),
                *(*_PEOPLE, *_DECISION, "settledAt", "version", "olderFields"),
            }
        ),
    ),
    choices={"status": _STATUSES},
    verbatim={
        "status": "status",
        "opportunityId": "opportunityId",
        "subject": "opportunityId",
        "correlationId": "correlationId",
    },
)
