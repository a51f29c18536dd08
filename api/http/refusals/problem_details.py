"""Errors as RFC 9457 has them, beside the envelope: for clients that name the media type."""

import re
from http import HTTPStatus

from api.http.refusals.documents import ErrorBody, ProblemDetails

MEDIA_TYPE = "application/problem+json"

_NAMED = re.compile(r"(?:^|,)\s*application/problem\+json\s*(?:;([^,]*))?(?:,|$)", re.IGNORECASE)
_NONE = re.compile(r"\bq\s*=\s*0(?:\.0*)?\s*$")


def are_accepted(accept: str | None) -> bool:
    """Whether the header names the type itself: everyone sends `*/*`, and `application/json` beside
    it is for successes.
    """
    named = _NAMED.search(accept or "")
    return named is not None and not _NONE.search(named[1] or "")


def problem_details(status: int, body: ErrorBody, request_id: str | None) -> ProblemDetails:
    return ProblemDetails(
        type="about:blank",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=body.message,
        code=body.code,
        request_id=request_id,
        errors=body.details,
        decision=body.decision,
    )
