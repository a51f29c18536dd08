"""How errors are answered over HTTP: the envelope, what HTTP itself refuses, and the table that
every area adds to.

An area of the API adds the answers to its own errors in its `errors.py`; no other place chooses an
error's status, code or message.
"""

import logging
import re
from collections.abc import Callable, Mapping
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
from msgspec.structs import replace

from api.http.documents import Document
from api.http.observer import loggable_path
from blocks.contracts.states import ApprovalStatus
from blocks.ports import Throttled, TooLarge, Unavailable

logger = logging.getLogger(__name__)


class KeyInUse(Exception):
    """A request under the same Idempotency-Key is being carried out now."""


class IdempotencyMismatch(Exception):
    """The Idempotency-Key was used for another request."""


class VersionMissing(Exception):
    """The request must state which version it changes."""


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


BODY_ERRORS = (RequestEntityTooLarge, TooLarge, NotJson)
"""What a route answers that keeps what it is sent."""


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
    """The answer to errors of one class. `complete` adds to the body what one error knows: a
    reason, a field.
    """

    status: int
    code: str
    message: str
    headers: Mapping[str, str] = {}
    complete: Callable[[Any, ErrorBody], ErrorBody] | None = None


_answers: dict[type[Exception], Answer] = {}


def add_answers(answers: Mapping[type[Exception], Answer]) -> None:
    """From now on, errors of these classes and of classes below them are answered so. Raises
    `ValueError`.
    """
    if twice := answers.keys() & _answers.keys():
        raise ValueError(f"answered already: {', '.join(sorted(kind.__name__ for kind in twice))}")
    _answers.update(answers)


def answer_to(kind: type[Exception]) -> Answer:
    """The answer of this very class. Raises `KeyError` if no area has added one."""
    return _answers[kind]


def answer_of(error: Exception) -> Answer:
    """The answer of its class, or of the nearest class above that has one."""
    return next(_answers[kind] for kind in type(error).__mro__ if kind in _answers)


def answer_error(request: Request[Any, Any, Any], error: Exception) -> Response[ErrorEnvelope]:
    """The response to a request that raised; what the caller may not see is only logged."""
    answer = answer_of(error)
    # 501 is how the system is set up, not what went wrong in it.
    if (answer.status >= 500 and answer.status != 501) or isinstance(error, Unavailable):
        _log(request, error, answer)
    return Response(
        ErrorEnvelope(error=body_of(error)),
        status_code=answer.status,
        headers=headers_of(error),
        media_type="application/json",
    )


def headers_of(error: Exception) -> dict[str, str]:
    """What the answer carries besides its body."""
    return {**answer_of(error).headers, **_own_headers(error)}


def body_of(error: Exception) -> ErrorBody:
    """The body that the caller gets."""
    answer = answer_of(error)
    body = ErrorBody(code=answer.code, message=answer.message)
    return answer.complete(error, body) if answer.complete else body


def envelope(answer: Answer, problems: list[Problem] | None = None) -> ErrorEnvelope:
    return ErrorEnvelope(
        error=ErrorBody(code=answer.code, message=answer.message, details=problems or None)
    )


def _log(request: Request[Any, Any, Any], error: Exception, answer: Answer) -> None:
    path = loggable_path(request.scope)
    what, request_id = f"{request.method} {path}", request.scope["state"]["request_id"]
    if isinstance(error, Unavailable):
        logger.warning("%s could not be answered: %s (request %s)", what, error, request_id)
    elif answer is not answer_to(Exception):
        logger.info("%s was refused: %s (request %s)", what, error, request_id)
    else:
        logger.error("%s failed unexpectedly (request %s)", what, request_id, exc_info=error)


def _with_its_problem(error: InvalidRequest, body: ErrorBody) -> ErrorBody:
    return replace(body, details=[error.problem])


def _with_problems_of_litestar(error: ClientException, body: ErrorBody) -> ErrorBody:
    if isinstance(error.extra, list):
        problems = [_problem(found) for found in error.extra]
    else:  # Litestar ends some of its sentences with the whole address of the request.
        problems = [Problem(message=error.detail.partition(" for path ")[0])]
    return replace(body, details=problems or None)


def _problem(found: Mapping[str, str]) -> Problem:
    # Litestar names the argument of the function; on the wire it is in camelCase.
    field = re.sub(r"_(\w)", lambda match: match[1].upper(), found.get("key", "")) or None
    message = found["message"].replace("`", "")
    if normalised := re.fullmatch(
        r"(\w+): (.+)", message, re.DOTALL
    ):  # a Struct names the field of its own
        field, message = normalised[1], normalised[2]
    if message == f"'{found.get('key')}'":  # of a KeyError: what Litestar makes of an empty body
        field, message = None, "is required"
    return Problem(field=field, message=message, source=found.get("source"))


def _own_headers(error: Exception) -> Mapping[str, str]:
    """`Allow` for a refused method, `Retry-After` for a throttled caller, from the error."""
    match error:
        case TooManyRequestsException(headers={"RateLimit-Reset": seconds}):
            return {**(error.headers or {}), "Retry-After": seconds}
        case HTTPException():
            return error.headers or {}
        case _:
            seconds = getattr(error, "retry_after_seconds", None)
            return {} if seconds is None else {"Retry-After": str(max(1, ceil(seconds)))}


add_answers(
    {
        InvalidRequest: Answer(
            400, "VALIDATION_ERROR", "Invalid request", complete=_with_its_problem
        ),
        RequestCutOff: Answer(400, "VALIDATION_ERROR", "The request was cut off"),
        ClientException: Answer(
            400, "VALIDATION_ERROR", "Invalid request", complete=_with_problems_of_litestar
        ),
        NotFoundException: Answer(404, "NOT_FOUND", "No such route"),
        MethodNotAllowedException: Answer(
            405, "METHOD_NOT_ALLOWED", "This route does not take this method"
        ),
        KeyInUse: Answer(
            409,
            "IDEMPOTENCY_IN_PROGRESS",
            "A request with this Idempotency-Key is in progress",
            {"Retry-After": "1"},
        ),
        RequestEntityTooLarge: Answer(413, "PAYLOAD_TOO_LARGE", "The request body is too large"),
        TooLarge: Answer(
            413, "RECORD_TOO_LARGE", "The record would have more bytes than one may have: send less"
        ),
        NotJson: Answer(
            415, "UNSUPPORTED_MEDIA_TYPE", "The body must be JSON in UTF-8, not compressed"
        ),
        IdempotencyMismatch: Answer(
            422, "IDEMPOTENCY_MISMATCH", "This Idempotency-Key was used for another request"
        ),
        VersionMissing: Answer(
            428, "PRECONDITION_REQUIRED", "If-Match must say which version is changed"
        ),
        TooManyRequestsException: Answer(
            429,
            "RATE_LIMITED",
            "The tenant has made all requests it has in this minute",
            {"Retry-After": "60"},
        ),
        Throttled: Answer(
            429,
            "THROTTLED",
            "A part this needs is asked for too much; try again later",
            {"Retry-After": "1"},
        ),
        Unavailable: Answer(
            503,
            "DEPENDENCY_UNAVAILABLE",
            "A part this needs does not answer now; try again",
            {"Retry-After": "5"},
        ),
        Exception: Answer(500, "INTERNAL_ERROR", "An unexpected error occurred"),
    }
)
