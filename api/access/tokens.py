"""Tokens (JWT) of the platform: which are trusted, and their claims.

A user's token has `type: access`, a `tenantId`, and the user in a claim that the settings name
(`api.access.user_claims`). A service's has `serviceId` in place of the user, and may leave out the
type. Roles are listed in `roles` and `permissions`.
"""

from collections.abc import Mapping
from typing import Any

import jwt
import msgspec

from api.access.errors import CredentialExpired, CredentialInvalid
from api.access.identity import NAME_LENGTH_MAX, Identity
from api.access.key_sets import KeySet
from api.access.user_claims import UserClaims
from blocks.contracts.envelope import canonical_uuid
from blocks.contracts.identities import SERVICE, NoIdentity, user_id
from blocks.contracts.roles import with_default
from blocks.settings import Auth
from blocks.settings.auth import algorithms_of, words

ACT_FOR_USERS = "act-for-users"
"""The permission of a service to act on behalf of users."""

OURS = "workflow-orchestrator:"
"""May stand before a role of ours, where other services have roles of the same name."""

LEEWAY_SECONDS = 10.0
"""For clocks that do not quite agree."""

Names = list[str] | str | None


class Claims(msgspec.Struct, frozen=True, rename="camel"):
    """The claims of a token whose signature, issuer and time are valid."""

    tenant_id: str
    type: str | None = None
    service_id: str | None = None
    roles: Names = []
    permissions: Names = []


class Tokens:
    """Checks tokens; lives as long as the application, and keeps the public keys it fetched."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth
        self._algorithms = algorithms_of(auth)
        self._default_roles = frozenset(words(auth.default_roles))
        self._users = UserClaims.of(auth)
        self._key_set = KeySet(auth.jwt_jwks) if auth.jwt_jwks else None

    async def identity(self, token: str) -> Identity:
        """Raises `CredentialInvalid`, `CredentialExpired`; `Unavailable` if the public keys cannot
        be had.
        """
        try:
            stated = self._decoded(token, await self._key(token))
            return identity_of(stated, self._default_roles, self._users)
        except jwt.ExpiredSignatureError as error:
            raise CredentialExpired(str(error)) from None
        except (jwt.PyJWTError, ValueError, OverflowError, RecursionError) as error:
            raise CredentialInvalid(str(error) or type(error).__name__) from None

    async def _key(self, token: str) -> Any:
        if self._key_set is None:
            return self._auth.jwt_secret
        kid = jwt.get_unverified_header(token).get("kid")
        if not kid:
            raise CredentialInvalid("the token does not name its key (kid)")
        return await self._key_set.key(kid)

    def _decoded(self, token: str, key: Any) -> dict[str, Any]:
        return jwt.decode(
            token,
            key,
            algorithms=self._algorithms,
            issuer=self._auth.jwt_issuer,
            audience=self._auth.jwt_audience or None,
            leeway=LEEWAY_SECONDS,
            options={"require": ["exp", "iss"], "verify_aud": bool(self._auth.jwt_audience)},
        )


def identity_of(
    stated: Mapping[str, Any], default_roles: frozenset[str], users: UserClaims
) -> Identity:
    """Whose token it is. Raises `CredentialInvalid`, `ValueError` for a claim of the wrong kind."""
    claims = msgspec.convert(stated, Claims)
    tenant_id = canonical_uuid(claims.tenant_id)
    if tenant_id is None:
        raise CredentialInvalid("tenantId is not a UUID")
    permissions = _names(claims.permissions)
    roles = _names(claims.roles) | permissions
    granted = with_default(roles, default_roles)
    if claims.service_id is not None:
        _check(claims.type in (None, "access", "service"), f"type is {claims.type!r}")
        return Identity(
            tenant_id,
            SERVICE + _name(claims.service_id),
            granted,
            ACT_FOR_USERS in permissions,
            credential="service-token",
        )
    _check(claims.type == "access", f"type is {claims.type!r}, not 'access'")
    user = _name(users.user_in(stated))
    return Identity(tenant_id, user, granted, other_names=users.other_names_in(stated) - {user})


def _names(stated: Names) -> frozenset[str]:
    listed = stated if isinstance(stated, list) else (stated or "").replace(",", " ").split()
    return frozenset(name.removeprefix(OURS) for name in listed)


def _name(stated: str) -> str:
    fits = 0 < len(stated) <= NAME_LENGTH_MAX and stated.isprintable() and stated == stated.strip()
    _check(fits, "it names no user (JWT_USER_CLAIMS) and no service (serviceId)")
    try:
        return user_id(stated)
    except NoIdentity as error:
        raise CredentialInvalid(f"whom it names {error}") from None


def _check(holds: bool, otherwise: str) -> None:
    if not holds:
        raise CredentialInvalid(otherwise)
