"""The result of each of many decisions."""

from api.approvals.documents import Approval
from api.http.documents import Document
from api.http.errors import ErrorBody


class OneResult(Document, frozen=True, kw_only=True):
    """One decision's answer: its HTTP `status`, and either the approval or the error."""

    id: str
    status: int
    approval: Approval | None = None
    error: ErrorBody | None = None


class ManyResults(Document, frozen=True, kw_only=True):
    """One result per decision, in the order they were sent."""

    results: list[OneResult]
