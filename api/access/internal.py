"""Addresses of their own, on which calls are taken without a credential: that of the platform's
services that trigger phases, and that of operations.

Which socket a request came in on is known to the server alone: it marks the request's scope, which
no header can.
"""

from collections.abc import Callable
from typing import Any

import msgspec
from litestar.datastructures import Headers
from litestar.enums import ScopeType
from litestar.exceptions import NotFoundException
from litestar.types import ASGIApp, Receive, Scope, Send

from api.access.identity import Identity
from api.access.platform_paths import OF_THE_PLATFORM
from api.access.tenancy import HEADER
from api.http.errors import ErrorEnvelope, answer_of, body_of
from blocks.contracts.envelope import canonical_uuid
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.settings import Claims

INTERNAL = "internal"
"""In the state of a scope: the request came in on the address of claims."""

CALLER = "internal_caller"
"""In the state of a scope: who a request without a credential is, and where."""

WORKFLOW_PATHS = "/api/v1/workflow/"
SOCKET_PATH = "/socket.io"

_ROLES = frozenset({"operator"})


class InternalCaller(msgspec.Struct, frozen=True):
    """Who calls an address without a credential, and what that address serves."""

    identity: Identity
    paths: str
    """Below these, a credential is not needed."""
    served_as: Callable[[str], str | None]
    """The application's path for one of this address; None: there is no such path here."""


def claim_services(claims: Claims) -> InternalCaller:
    """The services of the tenant that `claims.tenant` names."""
    tenant_id = canonical_uuid(claims.tenant)
    assert tenant_id  # the settings were checked
    identity = Identity(tenant_id, "claim-services", _ROLES, credential="internal")
    return InternalCaller(identity, WORKFLOW_PATHS, _of_claims)


def operations_network() -> InternalCaller:
    """Whoever reaches the address of operations."""
    identity = Identity(SYSTEM_TENANT, "operations-network", _ROLES, credential="internal")
    return InternalCaller(identity, "/api/", _of_operations)


class InternalAddress:
    """Wraps the application: serves these paths alone, and marks each request."""

    def __init__(self, app: ASGIApp, caller: InternalCaller) -> None:
        self._app = app
        self._caller = caller

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = self._caller.served_as(scope["path"])
        if path is not None:
            scope["state"][CALLER] = self._caller
            scope["state"][INTERNAL] = self._caller.paths == WORKFLOW_PATHS
            if path != scope["path"]:
                scope["path"], scope["raw_path"] = path, path.encode()
            await self._app(scope, receive, send)
        elif scope["type"] == ScopeType.WEBSOCKET:
            close: Any = {"type": "websocket.close", "code": 4404, "reason": "No such route"}
            await send(close)
        else:
            await _answer_not_found(scope["method"], send)


def without_credential(scope: Scope, headers: Headers) -> Identity | None:
    """Who a request without a credential is; None: it must show one.

    Only on an address of its own, below its paths, and while no header states who it is.
    """
    state: dict[str, Any] = scope.get("state", {})
    caller = state.get(CALLER)
    if not isinstance(caller, InternalCaller):
        return None
    if not str(scope.get("path_template", "")).startswith(caller.paths):
        return None
    if "Authorization" in headers or HEADER in headers:
        return None
    return caller.identity


def _of_claims(path: str) -> str | None:
    is_socket = path == SOCKET_PATH or path.startswith(f"{SOCKET_PATH}/")
    return path if is_socket or path.startswith(WORKFLOW_PATHS) else None


def _of_operations(path: str) -> str | None:
    """Their health is at `/health`, too."""
    if path == "/health":
        return "/api/health"
    return path if path.startswith(OF_THE_PLATFORM) else None


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
