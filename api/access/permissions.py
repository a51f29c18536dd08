"""Which role a route needs: one table, and the guard that holds it. A route that is not in it is
closed.
"""

import re
from collections.abc import Mapping

from litestar.handlers import BaseRouteHandler

from api.access.authentication import PUBLIC, refusal
from api.access.errors import RoleMissing
from api.access.identity import Connection
from api.access.platform_paths import OF_THE_PLATFORM
from blocks.contracts.roles import Role, allows

ROLE_OF: Mapping[str, Role] = {
    "GET /executions": "viewer",
    "GET /executions/stream": "viewer",
    "WEBSOCKET /executions/stream": "viewer",
    "GET /executions/{executionId}": "viewer",
    "POST /executions": "operator",
    "POST /executions/{executionId}/cancel": "operator",
    "POST /executions/{executionId}/retry": "operator",
    "POST /executions/{executionId}/rerun": "operator",
    "GET /workflows": "viewer",
    "GET /workflows/{workflowId}": "viewer",
    "POST /workflows/{workflowId}/retry": "operator",
    "GET /workflow/health": "viewer",
    "POST /workflow/phase/{phase}": "operator",
    "GET /workflow/queue/stats": "viewer",
    "POST /workflow/queue/clean": "operator",
    "GET /claims": "viewer",
    "GET /claims/{syncId}": "viewer",
    "GET /claims/{syncId}/audit": "viewer",
    "POST /claims/{syncId}/retry": "operator",
    "POST /claims/{syncId}/cancel": "operator",
    "GET /jobs": "viewer",
    "POST /jobs/{job}/trigger": "operator",
    "GET /definitions/{workflow}": "viewer",
    "PUT /definitions/{workflow}": "admin",
    "PATCH /definitions/{workflow}": "admin",
    "DELETE /definitions/{workflow}": "admin",
    "GET /audit": "admin",
    "GET /dispatch": "operator",
    "PATCH /dispatch": "operator",
    "PUT /dispatch/tenants/{tenantId}": "operator",
    "DELETE /dispatch/tenants/{tenantId}": "operator",
    "GET /dead-letters": "operator",
    "GET /dead-letters/{letterId}": "admin",
    "PATCH /dead-letters/{letterId}": "admin",
    "POST /dead-letters/replay": "admin",
    "POST /dead-letters/{letterId}/replay": "admin",
    "POST /dead-letters/{letterId}/discard": "admin",
    "GET /webhooks": "admin",
    "GET /webhooks/{webhookId}": "admin",
    "POST /webhooks": "admin",
    "PATCH /webhooks/{webhookId}": "admin",
    "DELETE /webhooks/{webhookId}": "admin",
    "GET /keys": "admin",
    "GET /keys/{prefix}": "admin",
    "POST /keys": "admin",
    "DELETE /keys/{prefix}": "admin",
    "GET /usage": "viewer",
    "GET /api/health": "operator",
    "GET /api/workflows": "operator",
    "POST /api/workflows/{operation}/trigger": "operator",
    "POST /api/trigger/{operation}": "operator",
    "GET /api/workflows/{operation}/status": "operator",
    "GET /api/runs/{runId}": "operator",
    "POST /api/runs/{runId}/cancel": "operator",
    "POST /api/runs/{runId}/retry": "operator",
    "GET /api/events": "operator",
    "POST /api/events": "operator",
    "POST /api/webhooks/alerts": "operator",
    "POST /api/webhooks/alerts/critical": "operator",
    "POST /api/webhooks/alerts/warning": "operator",
    "GET /api/stats": "operator",
    "GET /api/history": "operator",
    "GET /api/metrics": "operator",
    "POST /evidence/prompts": "operator",
    "GET /evidence/prompts/{promptId}": "viewer",
    "DELETE /evidence/prompts/{promptId}": "operator",
    "POST /evidence/prompts/{promptId}/answer": "approver",
    "GET /evidence/audit-log/{claimId}": "viewer",
    "GET /evidence/proof-packets/{claimId}": "viewer",
    "GET /evidence/proof-packets/{claimId}/status": "viewer",
    "POST /evidence/proof-packets/{claimId}/generate": "operator",
    "GET /": "viewer",
    "POST /workflows/{workflowId}/start": "operator",
    "GET /jobs/{job}/backfill": "operator",
    "POST /jobs/{job}/backfill": "operator",
    "POST /dead-letters/{letterId}/edit": "admin",
    "GET /events": "operator",
    "GET /inbox": "viewer",
    "POST /inbox": "approver",
    "GET /stand-ins": "viewer",
    "POST /stand-ins": "approver",
    "POST /stand-ins/{standInId}/end": "viewer",
    "GET /settings": "admin",
    "GET /settings/definitions": "admin",
    "GET /settings/definitions/{workflow}": "admin",
    "POST /settings/definitions/{workflow}": "admin",
    "POST /settings/keys": "admin",
    "POST /settings/keys/{prefix}/revoke": "admin",
    "POST /settings/webhooks": "admin",
    "POST /settings/webhooks/{webhookId}/test": "admin",
    "POST /settings/webhooks/{webhookId}/remove": "admin",
    "GET /approvals/{approvalId}": "viewer",
    "POST /approvals/{approvalId}": "approver",
    "POST /approvals/{approvalId}/ask": "approver",
    "POST /approvals/{approvalId}/answer": "operator",
    "GET /hitl/approvals": "viewer",
    "GET /hitl/approvals/{approvalId}": "viewer",
    "GET /hitl/approvals/{approvalId}/history": "viewer",
    "POST /hitl/approvals": "operator",
    "POST /hitl/approvals/decisions": "approver",
    "POST /hitl/approvals/{approvalId}/approve": "approver",
    "POST /hitl/approvals/{approvalId}/reject": "approver",
    "POST /hitl/approvals/{approvalId}/decisions": "approver",
    "POST /hitl/approvals/{approvalId}/claim": "approver",
    "POST /hitl/approvals/{approvalId}/release": "approver",
    "POST /hitl/approvals/{approvalId}/delegate": "approver",
    "POST /hitl/approvals/{approvalId}/remind": "approver",
    "POST /hitl/approvals/{approvalId}/extend": "approver",
    "POST /hitl/approvals/{approvalId}/ask": "approver",
    "POST /hitl/approvals/{approvalId}/answer": "operator",
    "POST /hitl/approvals/{approvalId}/cancel": "operator",
    "POST /hitl/approvals/{approvalId}/links": "approver",
    "GET /hitl/stand-ins": "viewer",
    "GET /hitl/stand-ins/{standInId}": "viewer",
    "POST /hitl/stand-ins": "approver",
    "DELETE /hitl/stand-ins/{standInId}": "viewer",
}
"""Method and path, without the prefix under which the route is served; below `/api` alone stand
the platform's own.
"""

_PREFIX = re.compile(r"^/api(/v1)?(?=/)")


def role_of(method: str, path_template: str) -> Role | None:
    """The role that this route needs; None: it is not in the table."""
    return ROLE_OF.get(f"{method} {without_prefix(path_template)}")


def without_prefix(path_template: str) -> str:
    """The path as tables name it, wherever it is served."""
    if path_template.startswith(OF_THE_PLATFORM):
        return path_template
    return _PREFIX.sub("", path_template)


def check_role(connection: Connection, handler: BaseRouteHandler) -> None:
    """The guard of every route. Raises `RoleMissing`."""
    method = connection.scope.get("method", "WEBSOCKET")
    if PUBLIC.items() <= handler.opt.items() or method == "OPTIONS":
        return
    needed = role_of(str(method), connection.scope["path_template"])
    if needed is None or not allows(connection.user.roles, needed):
        raise refusal(connection, RoleMissing(needed or "of no one"))
