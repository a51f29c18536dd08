"""Why a phase is not triggered or a journey not shown, and how that is answered.

Under `/api/v1/workflow` every error is `{success: false, error}`, as the platform's services read
it.
"""

from itertools import groupby
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.openapi import ResponseSpec
from litestar.openapi.spec import Example
from msgspec.structs import replace

from api.claims.phase_documents import WorkflowRefused
from api.documentation.openapi import TENANT_ROUTE_ERRORS, SharedResponse, success
from api.http.documents import Document
from api.http.errors import (
    Answer,
    ErrorBody,
    ErrorEnvelope,
    add_answers,
    answer_error,
    answer_to,
)
from blocks.contracts.claims.requests import BadTrigger
from blocks.ports import NotFound


class JourneyNotFound(NotFound):
    """The tenant has no journey of this sync."""


def answer_refused(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """Status and headers as everywhere, and the body that the platform's services know, but for who
    asks for problem details.
    """
    usual = answer_error(request, error)
    if not isinstance(usual.content, ErrorEnvelope):
        return usual
    return Response(
        WorkflowRefused(success=False, error=_text(usual.content.error)),
        status_code=usual.status_code,
        headers=dict(usual.headers),
        media_type="application/json",
    )


def workflow_documented(example: Document, *errors: type[Exception]) -> dict[int, ResponseSpec]:
    """As `documented`, with this area's body of errors; what fails unexpectedly included."""
    kinds = sorted({*TENANT_ROUTE_ERRORS, *errors}, key=_in_order)
    by_status = groupby(kinds, key=lambda kind: answer_to(kind).status)
    return {200: success(example)} | {status: _failure(*found) for status, found in by_status}


def _failure(*kinds: type[Exception]) -> ResponseSpec:
    """Errors of one message look the same in this form: one example shows them."""
    answers = [answer_to(kind) for kind in kinds]
    told_apart = {answer.message: kind for kind, answer in zip(kinds, answers, strict=True)}
    return SharedResponse(
        WorkflowRefused,
        generate_examples=False,
        description="; ".join(told_apart),
        examples=[
            Example(
                id=f"{kind.__name__}ForServices",
                summary=f"{answer_to(kind).code}: {message}",
                value=msgspec.to_builtins(WorkflowRefused(success=False, error=message)),
            )
            for message, kind in told_apart.items()
        ],
    )


def _in_order(kind: type[Exception]) -> tuple[int, str, str]:
    answer = answer_to(kind)
    return answer.status, answer.code, answer.message


def _text(body: ErrorBody) -> str:
    if not body.details:
        return body.message
    first = body.details[0]
    return f"{first.field}: {first.message}" if first.field else f"The body {first.message}"


def _own_message(error: BadTrigger, body: ErrorBody) -> ErrorBody:
    return replace(body, message=str(error))


add_answers(
    {
        BadTrigger: Answer(400, "VALIDATION_ERROR", "Invalid request", complete=_own_message),
        JourneyNotFound: Answer(404, "CLAIM_JOURNEY_NOT_FOUND", "No such claim journey"),
    }
)
