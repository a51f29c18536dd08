"""The API's description of itself: `/docs` for people, `/docs/openapi.json` and `/openapi.yaml` for
programs (OpenAPI 3.1).
"""

from itertools import groupby
from typing import Any

import msgspec
from litestar import MediaType, Response, Router
from litestar.exceptions import NotFoundException, TooManyRequestsException
from litestar.openapi import OpenAPIConfig, ResponseSpec
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, Example, SecurityScheme

from api.access.authentication import PUBLIC
from api.access.errors import (
    CredentialExpired,
    CredentialInvalid,
    CredentialMissing,
    RoleMissing,
    TenantMalformed,
    TenantMismatch,
    TenantMissing,
    TooManyFailures,
)
from api.documentation.page import HEADERS, DocsPage
from api.http.documents import Document
from api.http.errors import ErrorBody, ErrorEnvelope, InvalidRequest, Problem, answer_to, envelope
from blocks.ports import Throttled, Unavailable
from blocks.settings import Module

DESCRIPTION = """\
What the workflow orchestrator does for a tenant: its executions, their steps and results, and the
approvals they wait for.

Every request shows a credential, Authorization: Bearer followed by a token of the platform or an
API key, and names the credential's tenant in the header X-Tenant-ID. It sees that tenant's data
only; another tenant's id is answered like an unknown one. Each route needs a role:
viewer, operator, approver or admin.

Every error has the body {"error": {"code", "message", "details"?}}; the code is stable, the message
is for people.
Every response carries an x-request-id: the one that was sent, or a new one.
"""

TENANT_ROUTE_ERRORS = (
    InvalidRequest,
    CredentialMissing,
    CredentialInvalid,
    CredentialExpired,
    TenantMissing,
    TenantMismatch,
    TenantMalformed,
    RoleMissing,
    TooManyRequestsException,
    TooManyFailures,
    Throttled,
    Unavailable,
)
_PROBLEM = Problem(field="limit", message="Expected int <= 100", source="query")


def openapi_config(module: Module) -> OpenAPIConfig:
    return OpenAPIConfig(
        title=module.name,
        version=module.version,
        description=DESCRIPTION,
        components=Components(security_schemes={"bearer": _BEARER}),
        security=[{"bearer": []}],
        use_handler_docstrings=True,
        render_plugins=[
            DocsPage(path="/"),
            JsonRenderPlugin(path="/openapi.json", media_type=MediaType.JSON),
        ],
        openapi_router=Router(
            "/docs",
            route_handlers=[],
            include_in_schema=False,
            after_request=_refuse_unknown_page,
            response_headers=HEADERS,
            opt=PUBLIC,
        ),
    )


_BEARER = SecurityScheme(
    type="http", scheme="bearer", description="A token of the platform (JWT), or an API key"
)


class SharedResponse(ResponseSpec):
    """Never changed, so never copied: Litestar copies what belongs to a handler, for each router it
    is put in.
    """

    def __deepcopy__(self, memo: object) -> "SharedResponse":
        return self


def documented(
    example: Document, *errors: type[Exception], status: int = 200
) -> dict[int, ResponseSpec]:
    """The responses of a tenant route: the success, these errors, and those that every tenant route
    can give.
    """
    by_status = sorted({*TENANT_ROUTE_ERRORS, *errors}, key=_in_order)
    failures = groupby(by_status, key=lambda error: answer_to(error).status)
    return {status: success(example)} | {status: failure(*kinds) for status, kinds in failures}


def documented_without_body(*errors: type[Exception]) -> dict[int, ResponseSpec]:
    """Likewise, of a route that answers 204: Litestar documents that itself."""
    responses = documented(ErrorEnvelope(error=ErrorBody(code="", message="")), *errors)
    return {status: spec for status, spec in responses.items() if status != 200}


def _in_order(error: type[Exception]) -> tuple[int, str, str]:
    """By status; within one always alike, so that the document of one version is one document."""
    answer = answer_to(error)
    return answer.status, answer.code, answer.message


def success(example: Document, description: str | None = None) -> ResponseSpec:
    """A response of the example's type; by default described by the first line of its docstring."""
    document = type(example)
    first_line = (document.__doc__ or "").partition("\n")[0]
    return SharedResponse(
        document,
        generate_examples=False,
        description=description or first_line,
        examples=[_shown("Example", example)],
    )


def failure(*kinds: type[Exception]) -> ResponseSpec:
    """A response for these errors, which share a status."""
    answers = [answer_to(kind) for kind in kinds]
    return SharedResponse(
        ErrorEnvelope,
        generate_examples=False,
        description="; ".join(answer.message for answer in answers),
        examples=[
            _shown(answer.code, envelope(answer, [_PROBLEM] if answer.status == 400 else None))
            for answer in answers
        ],
    )


def _shown(summary: str, document: Document) -> Example:
    return Example(summary=summary, value=msgspec.to_builtins(document))


async def _refuse_unknown_page(response: Response[Any]) -> Response[Any]:
    """Litestar answers an unknown page under the documentation with a page of its own; here it is
    an error as any.
    """
    if response.status_code == NotFoundException.status_code:
        raise NotFoundException
    return response
