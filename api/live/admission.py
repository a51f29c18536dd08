"""Whether a client may go on following: checked periodically, by its credential."""

from collections.abc import Awaitable, Callable

from api.access.authentication import Identify
from api.access.errors import CredentialInvalid, RoleMissing, TenantMismatch
from api.access.identity import Connection, Identity
from blocks.contracts.roles import Role, allows
from blocks.ports import Unavailable

ROLE: Role = "viewer"

StillWelcome = Callable[[], Awaitable[Exception | None]]
"""The error with which the stream ends; None: it may go on, or that cannot be checked now."""


def still_welcome(identify: Identify, connection: Connection) -> StillWelcome:
    """The credential that the connection came with still opens what it opened."""
    admitted: Identity = connection.user

    async def ask() -> Exception | None:
        try:
            identity = await identify(connection.headers, False)
        except CredentialInvalid as error:
            return error
        except Unavailable:
            return None
        if identity.tenant_id != admitted.tenant_id:
            return TenantMismatch()
        return None if allows(identity.roles, ROLE) else RoleMissing(ROLE)

    return ask
