"""The audit log's name of each changing route, and the tenant and actor of a request."""

from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Request

from api.access.errors import NotThisUser
from api.access.identity import Identity, acting
from api.access.permissions import without_prefix
from api.access.sessions import is_page
from api.http.errors import InvalidRequest
from blocks.clock import utc_now
from blocks.contracts.records.audit import Act
from blocks.contracts.roles import ROLES
from blocks.security import signed_links

ACTION_OF: Mapping[str, str] = {
    "POST /executions": "execution.start",
    "POST /executions/{executionId}/cancel": "execution.cancel",
    "POST /executions/{executionId}/retry": "execution.retry",
    "POST /executions/{executionId}/rerun": "execution.rerun",
    "POST /workflows/{workflowId}/retry": "execution.retry",
    "POST /workflow/queue/clean": "claim-queue.clean",
    "POST /claims/{syncId}/retry": "execution.retry",
    "POST /claims/{syncId}/cancel": "execution.cancel",
    "POST /jobs/{job}/trigger": "job.trigger",
    "POST /api/workflows/{operation}/trigger": "execution.start",
    "POST /api/trigger/{operation}": "execution.start",
    "POST /api/runs/{runId}/cancel": "execution.cancel",
    "POST /api/runs/{runId}/retry": "execution.retry",
    "PUT /definitions/{workflow}": "definition.set",
    "PATCH /definitions/{workflow}": "definition.set",
    "DELETE /definitions/{workflow}": "definition.reset",
    "PATCH /dispatch": "dispatch.set",
    "PUT /dispatch/tenants/{tenantId}": "dispatch.set",
    "DELETE /dispatch/tenants/{tenantId}": "dispatch.reset",
    "PATCH /dead-letters/{letterId}": "dead-letter.edit",
    "POST /dead-letters/replay": "dead-letter.replay",
    "POST /dead-letters/{letterId}/replay": "dead-letter.replay",
    "POST /dead-letters/{letterId}/discard": "dead-letter.discard",
    "POST /keys": "key.create",
    "DELETE /keys/{prefix}": "key.revoke",
    "POST /webhooks": "webhook.add",
    "PATCH /webhooks/{webhookId}": "webhook.change",
    "DELETE /webhooks/{webhookId}": "webhook.remove",
    "POST /evidence/prompts": "approval.request",
    "DELETE /evidence/prompts/{promptId}": "approval.cancel",
    "POST /evidence/prompts/{promptId}/answer": "approval.decide",
    "POST /evidence/proof-packets/{claimId}/generate": "proof-packet.generate",
    "POST /hitl/approvals": "approval.request",
    "POST /hitl/approvals/decisions": "approval.decide",
    "POST /hitl/approvals/{approvalId}/approve": "approval.decide",
    "POST /hitl/approvals/{approvalId}/reject": "approval.decide",
    "POST /hitl/approvals/{approvalId}/decisions": "approval.decide",
    "POST /hitl/approvals/{approvalId}/claim": "approval.claim",
    "POST /hitl/approvals/{approvalId}/release": "approval.release",
    "POST /hitl/approvals/{approvalId}/delegate": "approval.delegate",
    "POST /hitl/approvals/{approvalId}/remind": "approval.remind",
    "POST /hitl/approvals/{approvalId}/extend": "approval.extend",
    "POST /hitl/approvals/{approvalId}/ask": "approval.ask",
    "POST /hitl/approvals/{approvalId}/answer": "approval.answer",
    "POST /hitl/approvals/{approvalId}/cancel": "approval.cancel",
    "POST /hitl/approvals/{approvalId}/links": "approval.link",
    "POST /hitl/stand-ins": "stand-in.name",
    "DELETE /hitl/stand-ins/{standInId}": "stand-in.end",
    "POST /inbox": "approval.decide",
    "POST /stand-ins": "stand-in.name",
    "POST /stand-ins/{standInId}/end": "stand-in.end",
    "POST /workflows/{workflowId}/start": "execution.start",
    "POST /jobs/{job}/backfill": "job.trigger",
    "POST /dead-letters/{letterId}/edit": "dead-letter.edit",
    "POST /settings/definitions/{workflow}": "definition.set",
    "POST /settings/keys": "key.create",
    "POST /settings/keys/{prefix}/revoke": "key.revoke",
    "POST /settings/webhooks": "webhook.add",
    "POST /settings/webhooks/{webhookId}/test": "webhook.test",
    "POST /settings/webhooks/{webhookId}/remove": "webhook.remove",
    "POST /approvals/{approvalId}": "approval.decide",
    "POST /approvals/{approvalId}/ask": "approval.ask",
    "POST /approvals/{approvalId}/answer": "approval.answer",
    "POST /hitl/links/{token}": "approval.decide",
    "POST /hitl/links/{token}/page": "approval.decide",
}
"""Method and path, without the prefix under which the route is served."""

ON_A_LOG_OF_ITS_OWN = frozenset(
    {
        "POST /workflow/phase/{phase}",
        "POST /api/events",
        *(f"POST /api/webhooks/alerts{severity}" for severity in ("", "/critical", "/warning")),
    }
)
"""Called by services, many times a second: the log of phases has each trigger and who sent it, that
of events each event, and what was notified of is on record.
"""

_TARGET_LENGTH_MAX = 200


class OneAct(msgspec.Struct, frozen=True):
    """What a request is about to do, and for which tenant."""

    tenant_id: str
    act: Act


def act_of(request: Request[Any, Any, Any], link_secret: str) -> OneAct | None:
    """None for a request that changes nothing, or whose link is not valid."""
    template = request.scope["path_template"]
    action = ACTION_OF.get(f"{request.method} {without_prefix(template)}")
    if action is None:
        return None
    if "token" in request.path_params:
        return _through_link(request, action, link_secret)
    identity: Identity = request.user
    try:
        actor = acting(identity, request.headers)
        named, service = actor.on_record, actor.service if actor.id else None
    except (NotThisUser, InvalidRequest):
        named, service = identity.id, None
    return OneAct(
        identity.tenant_id,
        Act(
            action=action,
            actor=named or None,
            credential=identity.credential,
            service=service or None,
            roles=[role for role in ROLES if role in identity.roles],
            channel="page" if is_page(request.scope) else "api",
            request_id=request.scope["state"].get("request_id"),
            target=str(next(iter(request.path_params.values()), ""))[:_TARGET_LENGTH_MAX] or None,
        ),
    )


def _through_link(request: Request[Any, Any, Any], action: str, link_secret: str) -> OneAct | None:
    try:
        claims = signed_links.read(
            signed_links.secret_of(link_secret), request.path_params["token"], utc_now()
        )
    except (signed_links.LinksDisabled, signed_links.LinkForged, signed_links.LinkExpired):
        return None
    return OneAct(
        claims.tenant_id,
        Act(
            action=action,
            actor=claims.recipient,
            credential="link",
            channel="page" if request.scope["path_template"].endswith("/page") else "link",
            request_id=request.scope["state"].get("request_id"),
            target=claims.approval_id,
        ),
    )
