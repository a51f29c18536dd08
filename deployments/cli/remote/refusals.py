"""What the API refused, and that it did not answer, as one line for a person."""

import httpx
import msgspec

from api.http.refusals.documents import ErrorBody, ErrorEnvelope, ProblemDetails

_BAD_INPUT = frozenset({400, 413, 415, 422, 428})

_WHAT_TO_DO = {
    409: "look at it again",
    412: "look at it again, and repeat the command",
}


class NotDone(Exception):
    """The API refused, or did not answer; the message is for people and holds no secret."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class BadRequest(NotDone):
    """The API takes no such input."""


def refusal(response: httpx.Response, credential: str, tenant_id: str) -> NotDone:
    """The error of this answer: code, message and what to do."""
    status, path = response.status_code, response.request.url.path
    try:
        body = _body(response.content)
    except msgspec.MsgspecError:
        where = f"; it points to {response.headers['Location']}" if response.is_redirect else ""
        return NotDone(
            f"{_origin(response)} did not answer {path} as this API does: status {status}{where}. "
            "Is it the address of the API?"
        )
    kind = BadRequest if status in _BAD_INPUT else NotDone
    return kind(
        f"{_in_words(body)} ({status} {body.code})" + _advice(response, credential, tenant_id),
        status,
    )


def no_answer(url: str, error: httpx.HTTPError, *, is_decided: bool) -> NotDone:
    """`is_decided`: the request certainly changed nothing."""
    match error:
        case httpx.ConnectTimeout():
            why = "no connection in time"
        case httpx.TimeoutException():
            why = "no answer in time"
        case httpx.RemoteProtocolError():
            why = "the answer broke off"
        case _:
            why = " ".join(str(error).split()) or type(error).__name__
    doubt = "" if is_decided else "; whether it was done is not known: look before you repeat it"
    return NotDone(f"the API at {url} does not answer: {why}{doubt}")


def not_understood(response: httpx.Response, error: Exception) -> NotDone:
    return NotDone(
        f"{_origin(response)} answered {response.request.url.path} with what this version does "
        f"not know: {error}"
    )


def _body(content: bytes) -> ErrorBody:
    """Problem details, which every route answers; what is no valid HTTP has the envelope."""
    try:
        problem = msgspec.json.decode(content, type=ProblemDetails)
    except msgspec.ValidationError:
        return msgspec.json.decode(content, type=ErrorEnvelope).error
    return ErrorBody(code=problem.code, message=problem.detail, details=problem.errors)


def _in_words(body: ErrorBody) -> str:
    details = [
        f"{detail.field} {detail.message}" if detail.field else detail.message
        for detail in body.details or ()
    ]
    return f"{body.message}: {'; '.join(details)}" if details else body.message


def _advice(response: httpx.Response, credential: str, tenant_id: str) -> str:
    status = response.status_code
    if status in (401, 403):
        return f": shown was {credential}, for tenant {tenant_id}"
    if status == 404:
        return f": {response.request.url.path} of tenant {tenant_id}"
    if wait := response.headers.get("Retry-After"):
        return f": try again in {wait} s"
    return f": {what}" if (what := _WHAT_TO_DO.get(status)) else ""


def _origin(response: httpx.Response) -> str:
    url = response.request.url
    return f"{url.scheme}://{url.netloc.decode()}"
