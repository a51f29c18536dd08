"""Links that let one person decide one approval once, without an account here.

Whoever holds a link decides as its recipient, so the token is shown once, to the requester, and
never logged. The requester is the recipient, or a service that acts for users: no other may obtain
another user's vote.
"""

from datetime import datetime, timedelta
from typing import Annotated

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter, SkipValidation

from api.access.actor import Caller
from api.access.errors import NotThisUser
from api.access.identity import stated_user
from api.access.tenancy import TenantId
from api.approvals.decisions import DECISION_ERRORS
from api.approvals.desk import in_hand
from api.approvals.documents import Approval, DecisionBody, approval_of
from api.approvals.errors import ApprovalNotFound, LinkForbids
from api.approvals.link_documents import (
    LINK,
    LINK_VIEW,
    ApprovalLink,
    ApprovalLinkView,
    NewApprovalLink,
)
from api.approvals.requests import ApprovalPath, shown
from api.documentation.openapi import documented
from api.http.errors import BODY_ERRORS, InvalidRequest, Problem
from api.http.records import Bus, Engine, Store, find
from blocks.approvals import lifecycle
from blocks.approvals.changes import ApprovalFull, linked
from blocks.approvals.decisions import (
    AlreadyDecided,
    Expired,
    LinkUsed,
    NotAnApprover,
    SelfApproval,
    Vote,
)
from blocks.approvals.people import knowing
from blocks.approvals.room import NoRoom
from blocks.clock import utc_now
from blocks.contracts.envelope import canonical_uuid
from blocks.contracts.records import ApprovalRecord
from blocks.ports import NotFound
from blocks.security import signed_links
from blocks.security.signed_links import LinkClaims, LinkExpired, LinkForged, LinksDisabled

LINK_LIFE = timedelta(days=7)

LinkSecret = SkipValidation[NamedDependency[str]]
"""The setting `approvals.link_secret`."""

TokenPath = Annotated[str, PathParameter(name="token", description="The link's token")]


@post(
    "/hitl/approvals/{approvalId:str}/links",
    status_code=201,
    summary="Make a link to an approval",
    tags=["Approvals"],
    responses=documented(
        LINK,
        ApprovalNotFound,
        NotAnApprover,
        SelfApproval,
        NotThisUser,
        AlreadyDecided,
        Expired,
        ApprovalFull,
        NoRoom,
        LinksDisabled,
        *BODY_ERRORS,
        status=201,
    ),
)
async def create_approval_link(
    store: Store,
    tenant_id: TenantId,
    actor: Caller,
    link_secret: LinkSecret,
    approval_id: ApprovalPath,
    data: JSONBody[NewApprovalLink],
) -> ApprovalLink:
    """Through the link, its recipient can see the approval, and decide it once until the link
    expires.
    """
    recipient = stated_user("recipient", data.recipient)
    secret, who, known_id = (
        signed_links.secret_of(link_secret),
        actor.named,
        canonical_uuid(approval_id),
    )
    if not actor.service:
        recipient = actor.standing_for(recipient)
    if known_id is None:
        raise ApprovalNotFound
    now = utc_now()
    try:
        stored = await lifecycle.change(
            store,
            tenant_id,
            known_id,
            lambda one: linked(knowing(one, who, actor.other_names), who, recipient, now),
        )
    except NotFound:
        raise ApprovalNotFound from None
    claims = LinkClaims(
        approval_id=known_id,
        tenant_id=tenant_id,
        recipient=recipient,
        outcomes=tuple(data.outcomes),
        expires_at=_end(data.expires_at, stored.record, now),
        nonce=signed_links.new_nonce(),
    )
    token = signed_links.issue(secret, claims)
    return ApprovalLink(
        token=token,
        path=f"/api/v1/hitl/links/{token}",
        page=f"/api/v1/hitl/links/{token}/page",
        recipient=claims.recipient,
        outcomes=claims.outcomes,
        expires_at=claims.expires_at,
    )


@get(
    "/hitl/links/{token:str}",
    summary="Read what a link is about",
    tags=["Approvals"],
    responses=documented(LINK_VIEW, LinkForged, LinkExpired, LinksDisabled),
)
async def read_approval_link(
    store: Store, link_secret: LinkSecret, token: TokenPath
) -> ApprovalLinkView:
    """The approval, and what the link permits. GET changes nothing, so mail scanners do no harm."""
    claims = opened(link_secret, token)
    approval = await find(
        store, claims.tenant_id, ApprovalRecord, claims.approval_id, ApprovalNotFound
    )
    return ApprovalLinkView(
        approval=approval_of(approval),
        recipient=claims.recipient,
        outcomes=claims.outcomes,
        expires_at=claims.expires_at,
        is_used=claims.nonce in approval.used_links,
    )


@post(
    "/hitl/links/{token:str}",
    status_code=200,
    summary="Decide through a link",
    tags=["Approvals"],
    responses=documented(
        LINK_VIEW.approval,
        *DECISION_ERRORS,
        LinkForged,
        LinkExpired,
        LinkUsed,
        LinkForbids,
        LinksDisabled,
    ),
)
async def decide_through_link(
    store: Store,
    bus: Bus,
    flow_runs: Engine,
    link_secret: LinkSecret,
    token: TokenPath,
    data: JSONBody[DecisionBody],
) -> Response[Approval]:
    """The recipient's decision is on the record, and the link is used up."""
    claims = opened(link_secret, token)
    vote = vote_of(claims, data, channel="link")
    return shown(
        await in_hand(store, bus, flow_runs, claims.tenant_id, claims.approval_id).decide(vote)
    )


def opened(link_secret: str, token: str) -> LinkClaims:
    """What the link permits. Raises `LinksDisabled`, `LinkForged`, `LinkExpired`."""
    return signed_links.read(signed_links.secret_of(link_secret), token, utc_now())


def vote_of(claims: LinkClaims, data: DecisionBody, channel: str) -> Vote:
    """The vote of the link's recipient. Raises `LinkForbids`."""
    if data.chosen not in claims.outcomes:
        raise LinkForbids
    return Vote(
        actor=claims.recipient,
        outcome=data.chosen,
        channel=channel,
        reason=data.reason,
        form=data.form,
        stage=data.stage,
        link=claims.nonce,
    )


def _end(wanted: datetime | None, approval: ApprovalRecord, now: datetime) -> datetime:
    if wanted is not None and wanted <= now:
        raise InvalidRequest(
            Problem(field="expiresAt", message="must be in the future", source="body")
        )
    return wanted or min(now + LINK_LIFE, approval.expires_at or now + LINK_LIFE)
