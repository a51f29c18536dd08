"""A link to an approval, and what is seen through it."""

from datetime import datetime
from typing import Annotated

import msgspec

from api.approvals.documents import Approval, Text
from api.approvals.examples import APPROVAL
from api.documentation.requests import add_requests
from api.http.documents import Document
from blocks.contracts.approvals import OUTCOMES, Outcome
from blocks.contracts.reading.moments import Moment


class NewApprovalLink(Document, frozen=True, kw_only=True):
    """The recipient and the permitted outcomes; expires with the approval, or after seven days."""

    recipient: Text
    outcomes: Annotated[list[Outcome], msgspec.Meta(min_length=1)] = msgspec.field(
        default_factory=lambda: list(OUTCOMES)
    )
    expires_at: Moment | None = None


class ApprovalLink(Document, frozen=True, kw_only=True):
    """A link, shown once: `page` for a browser, `path` for programs, to be put behind the API's
    address.
    """

    token: str
    path: str
    page: str
    recipient: str
    outcomes: tuple[str, ...]
    expires_at: datetime


class ApprovalLinkView(Document, frozen=True, kw_only=True):
    """What the recipient of a link sees."""

    approval: Approval
    recipient: str
    outcomes: tuple[str, ...]
    expires_at: datetime
    is_used: bool


_TOKEN = "v1.eyJhcHByb3ZhbElkIjoi.c2lnbmF0dXJl"
_PERMITS: tuple[str, ...] = ("approved", "rejected")

LINK = ApprovalLink(
    token=_TOKEN,
    path=f"/api/v1/hitl/links/{_TOKEN}",
    page=f"/api/v1/hitl/links/{_TOKEN}/page",
    recipient="u-208",
    outcomes=_PERMITS,
    expires_at=APPROVAL.expires_at or APPROVAL.requested_at,
)
LINK_VIEW = ApprovalLinkView(
    approval=APPROVAL,
    recipient="u-208",
    outcomes=_PERMITS,
    expires_at=LINK.expires_at,
    is_used=True,
)
add_requests(NewApprovalLink(recipient="u-208"))
