"""The bodies of refusals."""

from datetime import datetime

from api.http.documents import Document
from blocks.contracts.states import ApprovalStatus


class Problem(Document, frozen=True, kw_only=True):
    """One thing that is wrong with a request, and where."""

    message: str
    field: str | None = None
    source: str | None = None
    """`query`, `header`, `path` or `body`."""
    pointer: str | None = None
    """Of a body: the JSON pointer (RFC 6901) of the value; empty: the whole body."""


class WinningDecision(Document, frozen=True, kw_only=True):
    """The decision that counts, of an approval that was decided before."""

    approval_id: str
    status: ApprovalStatus
    decided_by: str | None = None
    decided_at: datetime | None = None
    decided_through: str | None = None
    comment: str | None = None


class ErrorBody(Document, frozen=True, kw_only=True):
    """`code` is stable and for programs, `message` is for people."""

    code: str
    message: str
    details: list[Problem] | None = None
    decision: WinningDecision | None = None


class ErrorEnvelope(Document, frozen=True, kw_only=True):
    """The body of every response that is not a success."""

    error: ErrorBody


class ProblemDetails(Document, frozen=True, kw_only=True):
    """The same as RFC 9457 has it, for clients that accept `application/problem+json`."""

    type: str
    """`about:blank`: `code` says which error it is."""
    title: str
    """The phrase of the status."""
    status: int
    detail: str
    code: str
    request_id: str | None = None
    errors: list[Problem] | None = None
    decision: WinningDecision | None = None
