"""Credentials for tests: real tokens, signed with a secret that the tests' API shares."""

from collections.abc import Generator, Sequence
from datetime import timedelta
from typing import Any

import httpx
import jwt

from blocks.contracts.envelope import canonical_uuid
from blocks.contracts.roles import ROLES
from tests.support.factories import A_TENANT, now

SECRET = "only tests share this secret of more than thirty-two bytes"
ENVIRONMENT = {"JWT_SECRET": SECRET, "METRICS_ON_API_PORT": "true"}
"""What an API needs to believe these tokens, and to show its metrics where a test asks for
everything else.
"""


def a_token(
    *roles: str, tenant_id: str = A_TENANT, user: str = "ann", secret: str = SECRET, **claims: Any
) -> str:
    """A user's access token, as the platform issues it; a claim that is None is left out."""
    return _signed(
        {"sub": user, "type": "access", "roles": list(roles)} | claims, tenant_id, secret
    )


def a_service_token(
    *permissions: str, tenant_id: str = A_TENANT, service: str = "tests", **claims: Any
) -> str:
    stated = {"serviceId": service, "serviceName": service, "permissions": list(permissions)}
    return _signed(stated | claims, tenant_id, SECRET)


def as_user(token: str, tenant_id: str = A_TENANT) -> dict[str, str]:
    """The headers of a request with this token."""
    return {"Authorization": f"Bearer {token}", "X-Tenant-ID": tenant_id}


class AnyTenant(httpx.Auth):
    """A service that may do everything for whatever tenant `X-Tenant-ID` names, in the name of
    whomever it says.
    """

    def __init__(
        self, permissions: Sequence[str] = (*ROLES, "act-for-users"), **claims: str
    ) -> None:
        self._permissions = permissions
        self._claims = claims

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        if "Authorization" not in request.headers:
            tenant_id = canonical_uuid(request.headers.get("X-Tenant-ID", "")) or A_TENANT
            token = a_service_token(*self._permissions, tenant_id=tenant_id, **self._claims)
            request.headers["Authorization"] = f"Bearer {token}"
        yield request


def _signed(claims: dict[str, Any], tenant_id: str, secret: str) -> str:
    stated = {
        "iss": "coder",
        "tenantId": tenant_id,
        "iat": now(),
        "exp": now() + timedelta(days=1),
    } | claims
    return jwt.encode(
        {name: value for name, value in stated.items() if value is not None},
        secret,
        algorithm="HS256",
    )
