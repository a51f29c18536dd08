"""The API's description of itself: `/docs` for people, `/schema` for programs (OpenAPI 3.1)."""

from itertools import groupby
from typing import Any

import msgspec
from litestar import Response, Router
from litestar.exceptions import NotFoundException, TooManyRequestsException
from litestar.openapi import OpenAPIConfig, ResponseSpec
from litestar.openapi.spec import Components, Contact, Example, SecurityScheme

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
from api.access.tenancy import HEADER
from api.documentation.exported import JsonDocument
from api.documentation.names import TAGS, operation_id
from api.documentation.parts import PARTS
from api.http.documents import Document
from api.http.errors import ErrorBody, ErrorEnvelope, InvalidRequest, Problem, answer_to, envelope
from blocks.ports import Throttled, Unavailable
from blocks.settings import Module

DESCRIPTION = """\
What the workflow orchestrator does for a tenant: its executions, their steps and results, and the
approvals they wait for.

**First steps**, with the example that each operation shows:

1. Get an API key. `orchestrator up` makes one for trials, and prints the file it is in and its
   tenant. Else an admin of the tenant makes it (*Make an API key*), or an operator of the platform
   (`orchestrator keys create`).
2. Press *Authorize*: the key is `bearer`, its tenant is `tenant`; each has a button of its own.
3. *Set a definition* for the workflow `opportunity-analysis`. By the example, deals from a million
   on wait for a person's approval; without a definition, analyses ask nobody.
4. *Start an execution*: the example is the analysis of such a deal. Keep the `id` of the answer.
5. *Read one execution* with it, as `executionId`, until its `status` is `awaiting_approval`: that
   takes seconds.
6. *List approvals* with the status `pending`; keep the `id` of the one with your `executionId`.
7. *Decide an approval* with it, as `approvalId`. A key that acts for users, as the one of
   `orchestrator up` does, names who decides in `decidedBy`; with a user's own token, leave it out.
8. *Read one execution* again: it is `completed`. *Read the audit log* has who did all this.

**Credentials.** Every request shows a credential, `Authorization: Bearer` followed by a token of
the platform or an API key, and names the credential's tenant in the header `X-Tenant-ID`. It sees
that tenant's data only; another tenant's id is answered like an unknown one. Each route needs a
role: viewer, operator, approver or admin.

**Errors.** Every error has the body `{"error": {"code", "message", "details"?}}`; the code is
stable, the message is for people. To who names `application/problem+json` in `Accept`, it has the
form of RFC 9457.

**Repeating.** A `POST` with the header `Idempotency-Key` is carried out once, however often it is
sent. What has an `ETag` is changed only at that version if the request shows it in `If-Match`, and
not sent again to who shows it in `If-None-Match`.

Routes that are kept for clients of other systems have
[a document of their own](/docs/compatible).
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
        contact=Contact(name="The operators of this installation"),
        tags=list(TAGS),
        components=Components(security_schemes={"bearer": _BEARER, "tenant": _TENANT}),
        security=[{"bearer": [], "tenant": []}],
        use_handler_docstrings=True,
        operation_id_creator=operation_id,
        render_plugins=[JsonDocument(part) for part in PARTS],
        openapi_router=Router(
            "/schema",
            route_handlers=[],
            include_in_schema=False,
            after_request=_refuse_unknown_page,
            opt=PUBLIC,
        ),
    )


_BEARER = SecurityScheme(
    type="http",
    scheme="bearer",
    description="An API key, or a token of the platform (JWT); without the word Bearer",
)
_TENANT = SecurityScheme(
    type="apiKey",
    security_scheme_in="header",
    name=HEADER,
    description="The tenant of the key or token, a UUID; press this Authorize, too",
)


class SharedResponse(ResponseSpec):
    """Never changed, so never copied: Litestar copies what belongs to a handler, for each router it
    is put in.
    """

    def __deepcopy__(self, memo: object) -> "SharedResponse":
        return self


def documented(
    example: Document, *errors: type[Exception], status: int = 200, named: str | None = None
) -> dict[int, ResponseSpec]:
    """The responses of a tenant route: the success, these errors, and those that every tenant route
    can give.
    """
    by_status = sorted({*TENANT_ROUTE_ERRORS, *errors}, key=_in_order)
    failures = groupby(by_status, key=lambda error: answer_to(error).status)
    return {status: success(example, named=named)} | {
        status: failure(*kinds) for status, kinds in failures
    }


def documented_without_body(*errors: type[Exception]) -> dict[int, ResponseSpec]:
    """Likewise, of a route that answers 204: Litestar documents that itself."""
    responses = documented(ErrorEnvelope(error=ErrorBody(code="", message="")), *errors)
    return {status: spec for status, spec in responses.items() if status != 200}


def _in_order(error: type[Exception]) -> tuple[int, str, str]:
    """By status; within one always alike, so that the document of one version is one document."""
    answer = answer_to(error)
    return answer.status, answer.code, answer.message


def success(
    example: Document, description: str | None = None, named: str | None = None
) -> ResponseSpec:
    """A response of the example's type; by default described by the first line of its docstring.

    Examples have names; a second one of a type needs a name of its own.
    """
    document = type(example)
    first_line = (document.__doc__ or "").partition("\n")[0]
    return SharedResponse(
        document,
        generate_examples=False,
        description=description or first_line,
        examples=[_shown(named or document.__name__, "Example", example)],
    )


def failure(*kinds: type[Exception]) -> ResponseSpec:
    """A response for these errors, which share a status."""
    answers = [answer_to(kind) for kind in kinds]
    return SharedResponse(
        ErrorEnvelope,
        generate_examples=False,
        description="; ".join(answer.message for answer in answers),
        examples=[
            _shown(
                kind.__name__,
                answer.message,
                envelope(answer, [_PROBLEM] if answer.status == 400 else None),
            )
            for kind, answer in zip(kinds, answers, strict=True)
        ],
    )


def _shown(name: str, summary: str, document: Document) -> Example:
    return Example(id=name, summary=summary, value=msgspec.to_builtins(document))


async def _refuse_unknown_page(response: Response[Any]) -> Response[Any]:
    """Litestar answers an unknown page under the documentation with a page of its own; here it is
    an error as any.
    """
    if response.status_code == NotFoundException.status_code:
        raise NotFoundException
    return response
