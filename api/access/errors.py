"""Why a request is not let in: its credential, its tenant, its role; and how each is answered."""

from collections.abc import Mapping

from msgspec.structs import replace

from api.http.errors import Answer, ErrorBody, Problem, add_answers
from blocks.ports import NotFound


class CredentialMissing(Exception):
    """The request shows no credential."""


class CredentialInvalid(Exception):
    """The credential is not valid; the message is the reason, for our log."""


class CredentialExpired(CredentialInvalid):
    """The credential was valid once and has expired."""


class TooManyFailures(Exception):
    """This address has failed to authenticate too often; holds the seconds it has to wait."""

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__(f"come back in {retry_after_seconds} s")
        self.retry_after_seconds = retry_after_seconds


class TenantMismatch(Exception):
    """The request names another tenant than its credential."""


class RoleMissing(Exception):
    """The credential lacks the role that the route needs."""

    def __init__(self, needed: str) -> None:
        super().__init__(f"This needs the role {needed}")


class NotThisUser(Exception):
    """The request names another user than its credential, and is not from a service that may."""


class TenantMissing(Exception):
    """The request names no tenant."""


class TenantMalformed(Exception):
    """The request names a tenant that is not a UUID."""


class TenantMismatchThere(TenantMismatch):
    """The same, as the older service answers it: for compatible routes."""


class TenantMalformedThere(TenantMalformed):
    """The same, as the older service answers it: for compatible routes."""


AS_THERE: Mapping[type[Exception], type[Exception]] = {
    TenantMismatch: TenantMismatchThere,
    TenantMalformed: TenantMalformedThere,
}
"""Refusals that have another status on compatible routes."""


class NotForTenants(Exception):
    """The route is for the platform itself."""


class TenantNotFound(NotFound):
    """The path names a tenant that cannot exist."""


class ActorMissing(Exception):
    """The request names no user, and this route acts for one."""


def _own_message(error: RoleMissing, body: ErrorBody) -> ErrorBody:
    return replace(body, message=str(error))


def _of_the_header(_: TenantMalformed, body: ErrorBody) -> ErrorBody:
    problem = Problem(field="X-Tenant-ID", message="must be a UUID", source="header")
    return replace(body, details=[problem])


add_answers(
    {
        CredentialMissing: Answer(
            401,
            "UNAUTHORIZED",
            "A credential is required: Authorization: Bearer …",
        ),
        CredentialInvalid: Answer(401, "UNAUTHORIZED", "The credential is not valid"),
        CredentialExpired: Answer(401, "UNAUTHORIZED", "The credential has expired"),
        TenantMismatch: Answer(403, "FORBIDDEN", "The tenant is not the credential's"),
        TenantMismatchThere: Answer(401, "UNAUTHORIZED", "The tenant is not the credential's"),
        ActorMissing: Answer(401, "UNAUTHORIZED", "User ID is required"),
        TenantMissing: Answer(401, "UNAUTHORIZED", "Tenant ID is required"),
        TenantMalformed: Answer(
            400, "VALIDATION_ERROR", "Invalid tenant ID format", complete=_of_the_header
        ),
        TenantMalformedThere: Answer(403, "FORBIDDEN", "Invalid tenant ID format"),
        RoleMissing: Answer(
            403, "FORBIDDEN", "This needs a role that the credential lacks", complete=_own_message
        ),
        NotThisUser: Answer(
            403, "FORBIDDEN", "The credential is another user's than the request names"
        ),
        NotForTenants: Answer(403, "FORBIDDEN", "Only the platform itself may do this"),
        TenantNotFound: Answer(404, "TENANT_NOT_FOUND", "No such tenant"),
        TooManyFailures: Answer(
            429,
            "RATE_LIMITED",
            "Too many credentials from this address were not valid",
            {"Retry-After": "60"},
        ),
    }
)
