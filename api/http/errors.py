"""The one table of errors over HTTP; no other place chooses an error's status, code or message."""

import logging
import re
from collections.abc import Mapping
from datetime import datetime
from math import ceil
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import (
    ClientException,
    HTTPException,
    MethodNotAllowedException,
    NotFoundException,
    TooManyRequestsException,
)
from litestar.exceptions.http_exceptions import RequestEntityTooLarge

from api.http.documents import Document
from api.http.observer import loggable_path
from blocks.actions.retrying import NotRetryable
from blocks.actions.starting import NotRerunnable
from blocks.approvals import changes, decisions, lifecycle
from blocks.contracts.jobs import InvalidTrigger
from blocks.contracts.states import ApprovalStatus
from blocks.dead_letters import letters
from blocks.definitions.rules import InvalidDefinition
from blocks.ports import NotFound, Throttled, Unavailable
from blocks.security import signed_links
from blocks.security.api_keys import TooManyKeys
from blocks.webhooks.changes import EARLIER_SECRETS_MAX, TooManySecrets
from blocks.webhooks.subscriptions import SUBSCRIPTIONS_MAX, TooManyWebhooks

logger = logging.getLogger(__name__)


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


class NotForTenants(Exception):
    """The route is for the platform itself."""


class TenantNotFound(NotFound):
    """The path names a tenant that cannot exist."""


class ExecutionNotFound(NotFound):
    """The tenant has no such execution."""


class ExecutionEnded(Exception):
    """The execution has ended; nothing changes it any more."""


class WorkflowNotFound(NotFound):
    """The tenant has no opportunity analysis of this id."""


class WorkflowNotRetryable(NotRetryable):
    """The same as `NotRetryable`, for the older service's clients."""


class ApprovalNotFound(NotFound):
    """The tenant has no such approval."""


class DefinitionNotFound(NotFound):
    """There is no such workflow, or none that a tenant can define."""


class DefinitionChanged(Exception):
    """The definition is not at the version that the request requires."""


class ActorMissing(Exception):
    """The request names no user, and this route acts for one."""


class ApprovalChanged(Exception):
    """The approval is not at the version that the request requires."""


class WebhookNotFound(NotFound):
    """The tenant has no such webhook."""


class WebhookChanged(Exception):
    """The webhook is not at the version that the request requires."""


class DeadLetterNotFound(NotFound):
    """The tenant has no such dead letter."""


class DeadLetterChanged(Exception):
    """The dead letter is not at the required version, or changed during the request."""


class DeadLetterStranded(Exception):
    """The queue of the dead letter does not exist any more."""


class KeyNotFound(NotFound):
    """The tenant has no such API key."""


class KeyExceedsItsMaker(Exception):
    """The requested API key would have a role that its maker lacks."""


class VersionMissing(Exception):
    """The request must state which version it changes."""


class LinkForbids(Exception):
    """The link does not permit this outcome."""


class TooManyOfTenant(Throttled):
    """The tenant has reached its limit of clients that follow events."""


class TooManyFollowers(Unavailable):
    """This process has reached its limit of clients that follow events, or is stopping."""


class OriginRefused(Exception):
    """A page of a foreign origin opened a WebSocket."""


class KeyInUse(Exception):
    """A request under the same Idempotency-Key is being carried out now."""


class IdempotencyMismatch(Exception):
    """The Idempotency-Key was used for another request."""


class Problem(Document, frozen=True, kw_only=True):
    """One thing that is wrong with a request, and where."""

    message: str
    field: str | None = None
    source: str | None = None
    """`query`, `header`, `path` or `body`."""


class InvalidRequest(Exception):
    """The request is not valid; `problem` is what to change."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


class NotJson(Exception):
    """The body is in another format, encoding or character set than JSON in UTF-8."""


class RequestCutOff(Exception):
    """The client left before its request was complete; it will hardly read the answer."""


class WinningDecision(Document, frozen=True, kw_only=True):
    """The decision that counts, of an approval that was decided before."""

    approval_id: str
    status: ApprovalStatus
    decided_by: str | None = None
    decided_at: datetime | None = None
    decided_through: str | None = None
    comment: str | None = None


class ErrorBody(Document, frozen=True, kw_only=True):
    """`code` is stable and for programs, `message` is for people."""

    code: str
    message: str
    details: list[Problem] | None = None
    decision: WinningDecision | None = None


class ErrorEnvelope(Document, frozen=True, kw_only=True):
    """The body of every response that is not a success."""

    error: ErrorBody


class Answer(msgspec.Struct, frozen=True):
    status: int
    code: str
    message: str
    headers: Mapping[str, str] = {}


_BEARER = {"WWW-Authenticate": "Bearer"}

ANSWERS: Mapping[type[Exception], Answer] = {
    InvalidRequest: Answer(400, "VALIDATION_ERROR", "Invalid request"),
    RequestCutOff: Answer(400, "VALIDATION_ERROR", "The request was cut off"),
    InvalidTrigger: Answer(400, "VALIDATION_ERROR", "Invalid request"),
    InvalidDefinition: Answer(400, "VALIDATION_ERROR", "Invalid request"),
    ClientException: Answer(400, "VALIDATION_ERROR", "Invalid request"),
    decisions.InvalidVote: Answer(400, "VALIDATION_ERROR", "Invalid request"),
    CredentialMissing: Answer(401, "UNAUTHORIZED", "A credential is required: Authorization: Bearer …", _BEARER),
    CredentialInvalid: Answer(401, "UNAUTHORIZED", "The credential is not valid", _BEARER),
    CredentialExpired: Answer(401, "UNAUTHORIZED", "The credential has expired", _BEARER),
    TenantMismatch: Answer(401, "UNAUTHORIZED", "The tenant is not the credential's"),
    ActorMissing: Answer(401, "UNAUTHORIZED", "User ID is required"),
    TenantMissing: Answer(401, "UNAUTHORIZED", "Tenant ID is required"),
    TenantMalformed: Answer(403, "FORBIDDEN", "Invalid tenant ID format"),
    RoleMissing: Answer(403, "FORBIDDEN", "This needs a role that the credential lacks"),
    NotThisUser: Answer(403, "FORBIDDEN", "The credential is another user's than the request names"),
    NotForTenants: Answer(403, "FORBIDDEN", "Only the platform itself may do this"),
    decisions.NotAnApprover: Answer(403, "HITL_NOT_AN_APPROVER", "Others may decide this approval"),
    decisions.SelfApproval: Answer(403, "HITL_SELF_APPROVAL", "Who asked for an approval may not decide it"),
    LinkForbids: Answer(403, "HITL_LINK_FORBIDS", "The link does not permit this outcome"),
    signed_links.LinkForged: Answer(404, "HITL_LINK_INVALID", "This is no link of ours"),
    KeyExceedsItsMaker: Answer(403, "FORBIDDEN", "A key may do no more than the credential that makes it"),
    TenantNotFound: Answer(404, "TENANT_NOT_FOUND", "No such tenant"),
    ExecutionNotFound: Answer(404, "EXECUTION_NOT_FOUND", "Execution not found"),
    WorkflowNotFound: Answer(404, "WORKFLOW_NOT_FOUND", "Workflow not found"),
    DefinitionNotFound: Answer(404, "DEFINITION_NOT_FOUND", "No such workflow can be defined"),
    ApprovalNotFound: Answer(404, "HITL_APPROVAL_NOT_FOUND", "HITL approval not found"),
    DeadLetterNotFound: Answer(404, "DEAD_LETTER_NOT_FOUND", "Dead letter not found"),
    WebhookNotFound: Answer(404, "WEBHOOK_NOT_FOUND", "Webhook not found"),
    KeyNotFound: Answer(404, "KEY_NOT_FOUND", "API key not found"),
    NotFoundException: Answer(404, "NOT_FOUND", "No such route"),
    MethodNotAllowedException: Answer(405, "METHOD_NOT_ALLOWED", "This route does not take this method"),
    ExecutionEnded: Answer(409, "EXECUTION_ENDED", "The execution has ended"),
    NotRetryable: Answer(409, "EXECUTION_NOT_RETRYABLE", "The execution cannot be retried"),
    WorkflowNotRetryable: Answer(409, "WORKFLOW_RETRY_FAILED", "The workflow cannot be retried"),
    NotRerunnable: Answer(409, "EXECUTION_NOT_RERUNNABLE", "The execution cannot be run anew"),
    decisions.AlreadyDecided: Answer(409, "HITL_APPROVAL_NOT_PENDING", "The approval is not pending"),
    decisions.AlreadyVoted: Answer(409, "HITL_ALREADY_VOTED", "This user has approved already"),
    changes.ClaimedByAnother: Answer(409, "HITL_APPROVAL_CLAIMED", "Somebody else has claimed the approval"),
    changes.ApprovalFull: Answer(
        409, "HITL_APPROVAL_FULL", "The approval has as many links or entries as it may; decide or cancel it"
    ),
    lifecycle.TooManyAsked: Answer(409, "EXECUTION_APPROVALS_FULL", "The execution waits for as many approvals as may"),
    letters.LetterSettled: Answer(
        409, "DEAD_LETTER_SETTLED", "The dead letter is being replayed, was replayed or was discarded"
    ),
    letters.LetterCut: Answer(
        409, "DEAD_LETTER_CUT", "Only the beginning of the dead letter was kept: edit it before you replay it"
    ),
    DeadLetterStranded: Answer(409, "DEAD_LETTER_STRANDED", "The queue of the dead letter does not exist any more"),
    TooManyWebhooks: Answer(409, "WEBHOOK_LIMIT_REACHED", f"A tenant has at most {SUBSCRIPTIONS_MAX} webhooks"),
    TooManySecrets: Answer(
        409, "WEBHOOK_SECRET_LIMIT_REACHED", f"{EARLIER_SECRETS_MAX} earlier secrets of the webhook are still valid"
    ),
    TooManyKeys: Answer(409, "KEY_LIMIT_REACHED", "As many keys are live as may: revoke one first"),
    KeyInUse: Answer(
        409, "IDEMPOTENCY_IN_PROGRESS", "A request with this Idempotency-Key is in progress", {"Retry-After": "1"}
    ),
    decisions.Expired: Answer(410, "HITL_APPROVAL_EXPIRED", "The approval has expired"),
    signed_links.LinkExpired: Answer(410, "HITL_LINK_EXPIRED", "The link has expired"),
    decisions.LinkUsed: Answer(410, "HITL_LINK_USED", "This link has been used"),
    DefinitionChanged: Answer(412, "PRECONDITION_FAILED", "The definition has changed since it was read"),
    ApprovalChanged: Answer(412, "PRECONDITION_FAILED", "The approval has changed since it was read"),
    WebhookChanged: Answer(412, "PRECONDITION_FAILED", "The webhook has changed since it was read"),
    DeadLetterChanged: Answer(412, "PRECONDITION_FAILED", "The dead letter has changed since it was read"),
    RequestEntityTooLarge: Answer(413, "PAYLOAD_TOO_LARGE", "The request body is too large"),
    NotJson: Answer(415, "UNSUPPORTED_MEDIA_TYPE", "The body must be JSON in UTF-8, not compressed"),
    IdempotencyMismatch: Answer(422, "IDEMPOTENCY_MISMATCH", "This Idempotency-Key was used for another request"),
    VersionMissing: Answer(428, "PRECONDITION_REQUIRED", "If-Match must say which version is changed"),
    signed_links.LinksDisabled: Answer(501, "HITL_LINKS_DISABLED", "Links are not switched on here"),
    TooManyRequestsException: Answer(
        429, "RATE_LIMITED", "The tenant has made all requests it has in this minute", {"Retry-After": "60"}
    ),
    TooManyFailures: Answer(
        429, "RATE_LIMITED", "Too many credentials from this address were not valid", {"Retry-After": "60"}
    ),
    OriginRefused: Answer(403, "FORBIDDEN", "Pages of this origin may not open a WebSocket here"),
    TooManyOfTenant: Answer(429, "TOO_MANY_STREAMS", "As many clients follow this tenant's events as may"),
    TooManyFollowers: Answer(
        503, "NO_STREAM_FREE", "No more clients can follow events here; try again", {"Retry-After": "5"}
    ),
    Throttled: Answer(
        429, "THROTTLED", "A part this needs is asked for too much; try again later", {"Retry-After": "1"}
    ),
    Unavailable: Answer(
        503, "DEPENDENCY_UNAVAILABLE", "A part this needs does not answer now; try again", {"Retry-After": "5"}
    ),
    Exception: Answer(500, "INTERNAL_ERROR", "An unexpected error occurred"),
}
"""Looked up by the exception's class, then by its bases."""


def answer_error(request: Request[Any, Any, Any], error: Exception) -> Response[ErrorEnvelope]:
    """The response to a request that raised; what the caller may not see is only logged."""
    answer = answer_of(error)
    if answer.status >= 500 or isinstance(error, Unavailable):
        _log(request, error, answer)
    return Response(
        ErrorEnvelope(error=body_of(error)),
        status_code=answer.status,
        headers=headers_of(error),
        media_type="application/json",
    )


def answer_of(error: Exception) -> Answer:
    return next(ANSWERS[kind] for kind in type(error).__mro__ if kind in ANSWERS)


def headers_of(error: Exception) -> dict[str, str]:
    """What the answer carries besides its body."""
    return {**answer_of(error).headers, **_own_headers(error)}


def body_of(error: Exception) -> ErrorBody:
    """The body that the caller gets."""
    answer = answer_of(error)
    match error:
        case decisions.AlreadyDecided(approval=approval):
            winner = WinningDecision(
                approval_id=approval.id,
                status=approval.status,
                decided_by=approval.decided_by,
                decided_at=approval.decided_at,
                decided_through=approval.decided_through,
                comment=approval.comment,
            )
            return ErrorBody(code=answer.code, message=str(error), decision=winner)
        case NotRetryable() | NotRerunnable():
            return ErrorBody(code=answer.code, message=f"{answer.message}: {error.reason}")
        case RoleMissing():
            return ErrorBody(code=answer.code, message=str(error))
        case _:
            return ErrorBody(code=answer.code, message=answer.message, details=_problems(error) or None)


def envelope(answer: Answer, problems: list[Problem] | None = None) -> ErrorEnvelope:
    return ErrorEnvelope(error=ErrorBody(code=answer.code, message=answer.message, details=problems or None))


def _log(request: Request[Any, Any, Any], error: Exception, answer: Answer) -> None:
    path = loggable_path(request.scope)
    what, request_id = f"{request.method} {path}", request.scope["state"]["request_id"]
    if isinstance(error, Unavailable):
        logger.warning("%s could not be answered: %s (request %s)", what, error, request_id)
    else:
        logger.error("%s failed unexpectedly (request %s)", what, request_id, exc_info=error)


def _problems(error: Exception) -> list[Problem]:
    match error:
        case InvalidRequest():
            return [error.problem]
        case decisions.InvalidVote():
            return [Problem(field=error.field, message=error.reason, source="body")]
        case InvalidDefinition():
            return [Problem(field=error.field, message=error.problem, source="body")]
        case InvalidTrigger():
            return [Problem(field=error.field, message=f"{error.problem}; accepted: {error.accepted}")]
        case NotFoundException() | MethodNotAllowedException() | RequestEntityTooLarge() | TooManyRequestsException():
            return []
        case ClientException(extra=list(found)):
            return [_problem(item) for item in found]
        case ClientException():
            # Litestar ends some of its sentences with the whole address of the request.
            return [Problem(message=error.detail.partition(" for path ")[0])]
        case _:
            return []


def _problem(found: Mapping[str, str]) -> Problem:
    # Litestar names the argument of the function; on the wire it is in camelCase.
    field = re.sub(r"_(\w)", lambda match: match[1].upper(), found.get("key", "")) or None
    message = found["message"].replace("`", "")
    if normalised := re.fullmatch(r"(\w+): (.+)", message, re.DOTALL):  # a Struct names the field of its own
        field, message = normalised[1], normalised[2]
    return Problem(field=field, message=message, source=found.get("source"))


def _own_headers(error: Exception) -> Mapping[str, str]:
    """`Allow` for a refused method, `Retry-After` for a throttled caller, from the error."""
    match error:
        case TooManyRequestsException(headers={"RateLimit-Reset": seconds}):
            return {**(error.headers or {}), "Retry-After": seconds}
        case HTTPException():
            return error.headers or {}
        case TooManyFailures():
            return {"Retry-After": str(error.retry_after_seconds)}
        case Throttled():
            return {"Retry-After": str(max(1, ceil(error.retry_after_seconds)))}
        case _:
            return {}
