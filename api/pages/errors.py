"""Errors as people read them: in the layout of the pages, with what to do next."""

from typing import Any

from litestar import Request, Response
from litestar.exceptions import NotFoundException, PermissionDeniedException
from litestar.response import Redirect

from api.access.errors import CredentialInvalid, CredentialMissing
from api.http.errors import Answer, add_answers, answer_error, answer_of, body_of, headers_of
from api.pages.addresses import login_path
from api.pages.rendering import is_part, page
from blocks.approvals.decisions import Refused
from blocks.approvals.standing import standing

API_PATHS = ("/api/", "/hitl/", "/docs", "/openapi", "/health", "/ready", "/metrics", "/socket.io")
"""Below these, an unknown path is answered to programs whatever they accept."""

_ADVICE = {
    400: "Go back, change what is named above, and send it again.",
    403: "Ask an admin of your tenant for the role, or sign in as someone who has it.",
    404: "It may have been removed, or belong to another tenant. Check the address.",
    409: "Someone, or the system itself, was faster. Load the page again to see how it stands now.",
    412: "Load the page again to see how it stands now.",
    429: "Wait a minute, then try again.",
}
_UNEXPECTED = (
    "Nothing is lost. Try again in a moment; if it stays so, contact whoever runs this system and "
    "name the request below."
)

add_answers(
    {
        PermissionDeniedException: Answer(
            403,
            "FORM_EXPIRED",
            "This form is not from a page that you have open now: load the page again",
        )
    }
)


def answer_with_page(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """The API's error as a page; who is not signed in, or no longer, is led to the login and back.

    A part of a page that updates itself makes the whole page load again instead.
    """
    answer = answer_of(error)
    if answer.status >= 500:
        answer_error(request, error)  # for its log
    if isinstance(error, CredentialMissing | CredentialInvalid):
        return _to_login(request)
    body = body_of(error)
    response = page(
        "error.html",
        answer.status,
        number=answer.status,
        code=body.code,
        message=body.message,
        problems=body.details or (),
        standing=standing(error.approval) if isinstance(error, Refused) else None,
        advice=_ADVICE.get(answer.status, _UNEXPECTED if answer.status >= 500 else ""),
        request_id=request.scope["state"].get("request_id", ""),
    )
    kept = {name: value for name, value in headers_of(error).items() if name == "Retry-After"}
    response.headers = {**response.headers, **kept}
    return response


def answer(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """For the whole application: a person who opens an unknown path gets a page, and a program the
    API's error.
    """
    if isinstance(error, NotFoundException) and _is_person(request):
        return answer_with_page(request, error)
    return answer_error(request, error)


def _is_person(request: Request[Any, Any, Any]) -> bool:
    accepts_html = "text/html" in request.headers.get("accept", "")
    path = request.scope["path"]
    return accepts_html and not f"{path}/".startswith(tuple(API_PATHS))


def _to_login(request: Request[Any, Any, Any]) -> Response[Any]:
    if is_part(request):
        return Response(None, status_code=204, headers={"HX-Refresh": "true"})
    here = request.scope["path"] if request.method == "GET" else "/"
    query = request.scope["query_string"].decode("latin-1") if request.method == "GET" else ""
    return Redirect(login_path(f"{here}?{query}" if query else here), status_code=303)
