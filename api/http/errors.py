"""How errors are answered over HTTP: the envelope, what HTTP itself refuses, and the table that
every area adds to.

An area of the API adds the answers to its own errors in its `errors.py`; no other place chooses an
error's status, code or message.
"""

import logging
import re
from collections.abc import Callable, Mapping
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

from api.http.observer import loggable_path
from api.http.refusals import problem_details
from api.http.refusals.body_problems import pointer_of
from api.http.refusals.documents import ErrorBody as ErrorBody
from api.http.refusals.documents import ErrorEnvelope as ErrorEnvelope
from api.http.refusals.documents import Problem as Problem
from api.http.refusals.documents import WinningDecision as WinningDecision
from blocks.ports import Throttled, TooLarge, Unavailable

logger = logging.getLogger(__name__)


class KeyInUse(Exception):
    """A request under the same Idempotency-Key is being carried out now."""


class IdempotencyMismatch(Exception):
    """The Idempotency-Key was used for another request."""


class Changed(Exception):
    """What the request changes is not as it requires in `If-Match`."""


class VersionMissing(Exception):
    """The request must state which version it changes."""


class InvalidRequest(Exception):
    """The request is not valid; `problems` are what to change."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("; ".join(problem.message for problem in problems))
        self.problems = problems


class NotJson(Exception):
    """The body is in another format, encoding or character set than JSON in UTF-8."""


BODY_ERRORS = (RequestEntityTooLarge, TooLarge, NotJson)
"""What a route answers that keeps what it is sent."""


class RequestCutOff(Exception):
    """The client left before its request was complete; it will hardly read the answer."""


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


BODY_PROBLEMS = "body_problems"
"""In the state of a request's scope: what is wrong with its body, if it was refused for that."""


def answer_error(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """The response to a request that raised, in the form that it asks for; what the caller may not
    see is only logged.
    """
    answer = answer_of(error)
    # 501 is how the system is set up, not what went wrong in it.
    if (answer.status >= 500 and answer.status != 501) or isinstance(error, Unavailable):
        _log(request, error, answer)
    body: ErrorBody = _with_problems_of_the_body(request, error, body_of(error))
    as_problem = problem_details.are_accepted(request.headers.get("accept"))
    request_id = request.scope["state"].get("request_id")
    return Response(
        problem_details.problem_details(answer.status, body, request_id)
        if as_problem
        else ErrorEnvelope(error=body),
        status_code=answer.status,
        headers=headers_of(error),
        media_type=problem_details.MEDIA_TYPE if as_problem else "application/json",
    )


def headers_of(error: Exception) -> dict[str, str]:
    """What the answer carries besides its body; a 401 names the scheme (RFC 9110, 15.5.2)."""
    answer = answer_of(error)
    challenge = {"WWW-Authenticate": "Bearer"} if answer.status == 401 else {}
    return {**challenge, **answer.headers, **_own_headers(error)}


def body_of(error: Exception) -> ErrorBody:
    """The body that the caller gets; a problem of a body has its pointer."""
    answer = answer_of(error)
    body = ErrorBody(code=answer.code, message=answer.message)
    completed = answer.complete(error, body) if answer.complete else body
    if not completed.details:
        return completed
    return replace(completed, details=[_pointed(one) for one in completed.details])


def _pointed(problem: Problem) -> Problem:
    if problem.source != "body" or problem.pointer is not None:
        return problem
    return replace(
        problem,
        pointer=pointer_of(tuple((problem.field or "").split(".")) if problem.field else ()),
    )


def _with_problems_of_the_body(
    request: Request[Any, Any, Any], error: Exception, body: ErrorBody
) -> ErrorBody:
    """In the place of the one that Litestar knows; those of the parameters stay."""
    problems = request.scope["state"].get(BODY_PROBLEMS)
    if not problems or not isinstance(error, ClientException):
        return body
    others = [one for one in body.details or () if one.source != "body"]
    return replace(body, details=[*others, *problems])


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
    return replace(body, details=list(error.problems))


def _with_problems_of_litestar(error: ClientException, body: ErrorBody) -> ErrorBody:
    if isinstance(error.extra, list):
        problems = [_problem(found) for found in error.extra if not _is_of_the_document(found)]
    else:  # Litestar ends some of its sentences with the whole address of the request.
        problems = [Problem(message=error.detail.partition(" for path ")[0])]
    return replace(body, details=problems or None)


def _is_of_the_document(found: Mapping[str, str]) -> bool:
    """Once Litestar has written the OpenAPI document, it misses parameters of the path that only a
    dependency takes; none can be missing.
    """
    return found.get("source") == "path" and found["message"] == f"'{found.get('key')}'"


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
        Changed: Answer(412, "PRECONDITION_FAILED", "It has changed since it was read"),
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
