"""An approval as a tenant sees it."""

from datetime import datetime

import msgspec

from api.documents import Document
from blocks.contracts.records import ApprovalRecord
from blocks.contracts.states import ApprovalStatus


class Approval(Document, frozen=True, kw_only=True):
    """A decision that a person owes; `executionId` names the execution that waits for it, if one does."""

    id: str
    tenant_id: str
    opportunity_id: str
    risk_score: float
    amount: float
    requested_at: datetime
    status: ApprovalStatus
    execution_id: str | None = None
    owner_id: str | None = None
    approver_id: str | None = None
    recipient_id: str | None = None
    correlation_id: str | None = None
    decided_by: str | None = None
    decided_at: datetime | None = None
    comment: str | None = None


def approval_of(approval: ApprovalRecord) -> Approval:
    return msgspec.convert(approval, Approval, from_attributes=True)
