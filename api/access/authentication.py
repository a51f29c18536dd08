"""Every request is authenticated before a route sees it: one middleware for HTTP and WebSocket.

No path is exempt; a route that needs no credential is declared with `opt=PUBLIC`.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from litestar.datastructures import Headers
from litestar.enums import ScopeType
from litestar.exceptions import WebSocketException
from litestar.middleware import (
    AbstractAuthenticationMiddleware,
    AuthenticationResult,
    DefineMiddleware,
)
from litestar.types import ASGIApp

from api.access.errors import AS_THERE, CredentialInvalid, CredentialMissing, TenantMismatch
from api.access.identity import Connection, Identity, roles_in, user_in
from api.access.internal import without_credential
from api.access.key_holders import KeyHolders
from api.access.limits.failures import Failures
from api.access.sessions import presented
from api.access.tenancy import tenant_in
from api.access.tokens import Tokens
from api.http.deprecation import is_to_the_letter
from api.http.errors import InvalidRequest, Problem, answer_of
from blocks.contracts.roles import with_default
from blocks.observability import log_context
from blocks.ports import RecordStore
from blocks.security import api_keys
from blocks.settings import Auth
from blocks.settings.auth import API_KEY, GATEWAY, modes_of, takes_tokens, words

logger = logging.getLogger(__name__)

PUBLIC = {"exclude_from_auth": True}
"""Option of a public route. OPTIONS needs no credential either: it shows no more than `/docs`."""

REFUSED = "refused"
"""In the state of a WebSocket's scope: the error for which it is closed."""

Identify = Callable[[Headers, bool], Awaitable[Identity]]
"""The identity of a request; if the flag is set, unknown API keys are refused without a lookup.

Raises `CredentialMissing`, `CredentialInvalid`, `CredentialExpired`.
"""


def authentication(identify: Identify, failures: Failures) -> DefineMiddleware:
    """The middleware that authenticates every request."""
    return DefineMiddleware(Authentication, identify=identify, failures=failures)


class Authentication(AbstractAuthenticationMiddleware):
    """After it, `connection.user` is the request's `Identity`, and `X-Tenant-ID` agrees with it."""

    def __init__(self, app: ASGIApp, identify: Identify, failures: Failures) -> None:
        super().__init__(app)
        self._identify, self._failures = identify, failures

    async def authenticate_request(self, connection: Connection) -> AuthenticationResult:
        if known := without_credential(connection.scope, connection.headers):
            log_context.add(tenant_id=known.tenant_id)
            return AuthenticationResult(user=known, auth=None)
        address = address_of(connection)
        try:
            headers = presented(connection)
            identity = await self._identify(headers, self._failures.are_too_many(address))
            if tenant_in(headers) != identity.tenant_id:
                raise TenantMismatch
        except CredentialInvalid as error:
            # %r: the reason may quote what the caller sent.
            logger.info(
                "A credential was refused: %r (request %s)", str(error), _request_id(connection)
            )
            raise refusal(connection, self._failures.counted(address, error)) from None
        except Exception as error:
            raise refusal(connection, self._failures.counted(address, error)) from None
        log_context.add(tenant_id=identity.tenant_id)
        return AuthenticationResult(user=identity, auth=None)


def address_of(connection: Connection) -> str:
    """The client's; of a trusted proxy's client, which `X-Forwarded-For` names, uvicorn put it here
    (`server.trusted_proxies`).
    """
    return connection.client.host if connection.client else ""


def refusal(connection: Connection, error: Exception) -> Exception:
    """The error for this connection: a WebSocket closes with 4000 plus the HTTP status."""
    if connection.scope["type"] != ScopeType.WEBSOCKET:
        is_theirs = is_to_the_letter(connection.route_handler)
        as_there = AS_THERE.get(type(error)) if is_theirs else None
        return as_there() if as_there else error
    answer = answer_of(error)
    connection.scope["state"][REFUSED] = error  # for `handshake`
    return WebSocketException(detail=answer.message, code=4000 + answer.status)


def identification(auth: Auth, store: RecordStore) -> Identify:
    """The function that identifies requests under these settings."""
    if GATEWAY in modes_of(auth):
        return _believing(frozenset(words(auth.default_roles)), auth.trust_decided_by)
    tokens = Tokens(auth) if takes_tokens(auth) else None
    holders = KeyHolders(store) if API_KEY in modes_of(auth) else None

    async def identify(headers: Headers, wary: bool) -> Identity:
        credential = bearer(headers)
        if credential.startswith(api_keys.MARK):
            if holders is None:
                raise CredentialInvalid("API keys are not accepted here")
            return await holders.identity(credential, wary=wary)
        if tokens is None:
            raise CredentialInvalid("tokens are not accepted here")
        return await tokens.identity(credential)

    return identify


def bearer(headers: Headers) -> str:
    """What follows `Bearer`. Raises `CredentialMissing`, or `InvalidRequest` for two of them."""
    values = headers.getall("Authorization", [])
    if len(values) > 1:
        raise InvalidRequest(
            Problem(field="Authorization", message="must be given once", source="header")
        )
    scheme, _, credential = (values[0] if values else "").partition(" ")
    if scheme.lower() != "bearer" or not credential.strip():
        raise CredentialMissing
    return credential.strip()


def _believing(default_roles: frozenset[str], trusts_body: bool) -> Identify:
    async def identify(headers: Headers, wary: bool) -> Identity:
        roles = roles_in(headers)
        return Identity(
            tenant_in(headers),
            user_in(headers),
            with_default(roles, default_roles),
            credential="gateway",
            trusts_body=trusts_body,
        )

    return identify


def _request_id(connection: Connection) -> Any:
    return connection.scope["state"].get("request_id", "-")
