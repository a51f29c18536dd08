"""Who a client is, and whose updates it may see."""

from typing import Any

import msgspec
from litestar.datastructures import Headers

from api.access.authentication import Identify
from api.access.errors import NotThisUser, RoleMissing
from api.access.identity import Identity
from api.access.limits.failures import Failures
from blocks.contracts.envelope import canonical_uuid
from blocks.contracts.identities import KEY, SERVICE, spelled
from blocks.contracts.roles import allows
from blocks.settings import Claims

Scope = dict[str, Any]


class Pass(msgspec.Struct, frozen=True):
    """A client may follow this user of this tenant."""

    tenant_id: str
    user_id: str
    """As the client wrote it."""
    token: str | None
    """None: the client came in on the internal address, where it is believed."""

    @property
    def spelled_user(self) -> str:
        return spelled(self.user_id)


class Admission:
    """Checks credentials as the API does; lives as long as the process."""

    def __init__(self, identify: Identify, failures: Failures, claims: Claims) -> None:
        self._identify, self._failures = identify, failures
        self._believed_tenant = canonical_uuid(claims.tenant) if claims.tenant else None
        self._believes = claims.trust_user_of_sockets

    async def admit(self, scope: Scope, user_id: str, token: str | None) -> Pass:
        """Raises what the API raises for such a credential, and `NotThisUser` or `RoleMissing` for
        another's updates.
        """
        if self._believed_tenant and self._believes and _is_internal(scope):
            return Pass(self._believed_tenant, user_id, None)
        address = (scope.get("client") or ("",))[0]
        try:
            identity = await self._identify(
                _headers(scope, token), self._failures.are_too_many(address)
            )
        except Exception as error:
            raise self._failures.counted(address, error) from None
        check_follows(identity, user_id)
        return Pass(identity.tenant_id, user_id, token or "")

    async def still(self, scope: Scope, admitted: Pass) -> None:
        """Raises what `admit` would, once the credential no longer admits."""
        if admitted.token is None:
            return
        identity = await self._identify(_headers(scope, admitted.token), False)
        check_follows(identity, admitted.user_id)
        if identity.tenant_id != admitted.tenant_id:
            raise NotThisUser


def check_follows(identity: Identity, user_id: str) -> None:
    """A user follows itself; a service, and who operates for the tenant, any of its users."""
    if not allows(identity.roles, "viewer"):
        raise RoleMissing("viewer")
    if identity.acts_for_users or identity.id.startswith((KEY, SERVICE)):
        return
    if allows(identity.roles, "operator") or (identity.trusts_body and not identity.id):
        return
    if spelled(user_id) not in (identity.id, *identity.other_names):
        raise NotThisUser


def _is_internal(scope: Scope) -> bool:
    return (scope.get("state") or {}).get("internal") is True


def _headers(scope: Scope, token: str | None) -> Headers:
    """Those of the connection, with the credential that the client has sent since."""
    stated: list[tuple[bytes, bytes]] = list(scope["headers"])
    if token:
        stated = [(name, value) for name, value in stated if name.lower() != b"authorization"]
        credential = token.strip().removeprefix("Bearer ").encode("latin-1", "replace")
        stated.append((b"authorization", b"Bearer " + credential))
    return Headers(stated)
