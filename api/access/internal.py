"""The address on which the platform's services trigger phases without a credential.

Which socket a request came in on is known to the server alone: it marks the request's scope, which
no header can.
"""

from typing import Any

import msgspec
from litestar.datastructures import Headers
from litestar.enums import ScopeType
from litestar.exceptions import NotFoundException
from litestar.types import ASGIApp, Receive, Scope, Send

from api.access.identity import Identity
from api.access.tenancy import HEADER
from api.http.errors import ErrorEnvelope, answer_of, body_of
from blocks.contracts.envelope import canonical_uuid
from blocks.settings import Claims

INTERNAL = "internal"
"""In the state of a scope: the request came in on the internal address."""

WORKFLOW_PATHS = "/api/v1/workflow/"
SOCKET_PATH = "/socket.io"

_ROLES = frozenset({"operator"})


class InternalAddress:
    """Wraps the application: serves these paths alone, and marks each request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if _is_served(scope["path"]):
            scope["state"][INTERNAL] = True
            await self._app(scope, receive, send)
        elif scope["type"] == ScopeType.WEBSOCKET:
            close: Any = {"type": "websocket.close", "code": 4404, "reason": "No such route"}
            await send(close)
        else:
            await _answer_not_found(scope["method"], send)


def without_credential(claims: Claims, scope: Scope, headers: Headers) -> Identity | None:
    """Who a request without a credential is: the tenant's services; None: it must show one.

    Only on the internal address, of a phase route, and while no header states who it is.
    """
    state: dict[str, Any] = scope.get("state", {})
    if state.get(INTERNAL) is not True or not claims.tenant:
        return None
    if not str(scope.get("path_template", "")).startswith(WORKFLOW_PATHS):
        return None
    if "Authorization" in headers or HEADER in headers:
        return None
    tenant_id = canonical_uuid(claims.tenant)
    assert tenant_id  # the settings were checked
    return Identity(tenant_id, "claim-services", _ROLES, credential="internal")


def _is_served(path: str) -> bool:
    is_socket = path == SOCKET_PATH or path.startswith(f"{SOCKET_PATH}/")
    return is_socket or path.startswith(WORKFLOW_PATHS)


async def _answer_not_found(method: str, send: Send) -> None:
    error = NotFoundException()
    body = msgspec.json.encode(ErrorEnvelope(error=body_of(error)))
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    start: Any = {
        "type": "http.response.start",
        "status": answer_of(error).status,
        "headers": headers,
    }
    rest: Any = {"type": "http.response.body", "body": b"" if method == "HEAD" else body}
    await send(start)
    await send(rest)
