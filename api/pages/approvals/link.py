"""The page behind a link: its recipient reads the request in a browser and decides with one button.

The token in the address is the only credential: there is no cookie, so nothing that another site
could borrow. GET changes nothing, however often a mail scanner does it; the form's POST works
without JavaScript.
"""

from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl

from litestar import Request, Response, get, post
from litestar.response import Redirect

from api.approvals import form_fields
from api.approvals.desk import in_hand
from api.approvals.errors import ApprovalNotFound
from api.approvals.links import LinkSecret, TokenPath, opened, vote_of
from api.http.errors import InvalidRequest, Problem, answer_error, answer_of, body_of
from api.http.records import Bus, Engine, Store, find
from api.pages.approvals.evidence import evidence_of
from api.pages.approvals.submitted import REASONS, decision_in, in_words
from api.pages.assets import ASSETS
from api.pages.rendering import moment, page
from blocks.approvals.decisions import (
    Expired,
    InvalidVote,
    Refused,
    check_actor,
    check_open,
    of_stage,
)
from blocks.approvals.standing import stage_of, standing
from blocks.clock import utc_now
from blocks.contracts.records import ApprovalRecord
from blocks.security.signed_links import LinkClaims

_FIELDS_MAX = 500

_STYLE = ASSETS["style.css"].content.decode()

_HEADERS: Mapping[str, str] = {
    # Only this very style; forms go back to where they came from; no script, picture or frame at
    # all. The token in the address stays in no cache, no `Referer` and no frame.
    "Content-Security-Policy": "default-src 'none'; "
    f"style-src 'sha256-{b64encode(sha256(_STYLE.encode()).digest()).decode()}'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex",
}


def answer_with_page(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """The API's error as a page: what went wrong, the approval's status, and what to do."""
    answer = answer_of(error)
    if answer.status >= 500:
        answer_error(request, error)  # for its log
    answer_body = body_of(error)
    return _page_of(
        "approvals/link_refusal.html",
        answer.status,
        message=answer.message,
        code=answer.code,
        problems=answer_body.details or (),
        approval=error.approval if isinstance(error, Refused) else None,
        standing=standing,
        advice=_advice(answer.status),
    )


@get(
    "/hitl/links/{token:str}/page",
    include_in_schema=False,
    exception_handlers={Exception: answer_with_page},
)
async def show_page(store: Store, link_secret: LinkSecret, token: TokenPath) -> Response[Any]:
    """The request and the form; or the approval's status, if it can no longer be decided."""
    claims = opened(link_secret, token)
    return _page(claims, await _approval(store, claims), {})


@post(
    "/hitl/links/{token:str}/page",
    include_in_schema=False,
    exception_handlers={Exception: answer_with_page},
)
async def decide_on_page(
    request: Request[Any, Any, Any],
    store: Store,
    bus: Bus,
    flow_runs: Engine,
    link_secret: LinkSecret,
    token: TokenPath,
) -> Response[Any]:
    """The recipient's decision is recorded and shown; or the form again, with its errors."""
    claims = opened(link_secret, token)
    submitted = await _submitted(request)
    approval = await _approval(store, claims)
    try:
        vote = vote_of(claims, decision_in(approval, submitted), channel="page")
        await in_hand(store, bus, flow_runs, claims.tenant_id, claims.approval_id).decide(vote)
    except (InvalidRequest, InvalidVote) as error:
        [problem] = body_of(error).details or []
        return _page(claims, approval, submitted, problem)
    return Redirect("page", status_code=303)  # so that a reload does not decide again


LINK_PAGES = (show_page, decide_on_page)
"""Served wherever links are."""


async def _approval(store: Store, claims: LinkClaims) -> ApprovalRecord:
    return await find(store, claims.tenant_id, ApprovalRecord, claims.approval_id, ApprovalNotFound)


# --- what was submitted --------------------------------------------------------------------------


async def _submitted(request: Request[Any, Any, Any]) -> Mapping[str, str]:
    """Field to text. Litestar's own parser caches the forms it has parsed; these are private."""
    body = (await request.body()).decode(errors="replace")
    try:
        return dict(parse_qsl(body, keep_blank_values=True, max_num_fields=_FIELDS_MAX))
    except ValueError:
        raise InvalidRequest(
            Problem(message=f"A form has at most {_FIELDS_MAX} fields", source="body")
        ) from None


# --- what is shown --------------------------------------------------------------------------------


def _page(
    claims: LinkClaims,
    approval: ApprovalRecord,
    submitted: Mapping[str, str],
    problem: Problem | None = None,
) -> Response[Any]:
    fields = form_fields.fields_of(approval.form_schema)
    if submitted:
        fields = form_fields.filled(fields, submitted, problem)
    return _page_of(
        "approvals/link.html",
        400 if problem else 200,
        approval=approval,
        recipient=claims.recipient,
        link_expires_at=claims.expires_at,
        outcomes=[outcome for outcome in approval.options if outcome in claims.outcomes],
        facts=_facts(approval),
        evidence=evidence_of(approval),
        closed=None if problem else _closed(claims, approval),
        fields=fields,
        reason=submitted.get("reason", ""),
        reason_hint=REASONS[approval.policy.reason_required],
        reason_error=problem.message if problem and problem.field == "reason" else "",
        problem=in_words(problem, fields) if problem else None,
    )


def _closed(claims: LinkClaims, approval: ApprovalRecord) -> str | None:
    """Why this person has nothing to decide here; None: they have."""
    if claims.nonce in approval.used_links and approval.status == "pending":
        return f"Your decision is on the record. {standing(approval)}"
    try:
        check_open(approval, utc_now())
        check_actor(approval, claims.recipient, frozenset())
    except Expired:
        return "Its time is over: it can no longer be decided."
    except Refused as refusal:
        return (
            standing(approval) if approval.status != "pending" else f"{answer_of(refusal).message}."
        )
    return None


def _facts(approval: ApprovalRecord) -> dict[str, str]:
    quorum, yes = (
        approval.policy.quorum,
        sum(one.outcome == "approved" for one in of_stage(approval)),
    )
    facts = {
        "Owner": approval.owner_id,
        "Asked by": approval.requested_by,
        "Asked": moment(approval.requested_at),
        "Wanted by": moment(approval.due_at) if approval.due_at else None,
        "Expires": moment(approval.expires_at) if approval.expires_at else None,
        "Approvals": f"{yes} of the {quorum} that are needed" if quorum > 1 else None,
        "Stage": stage_of(approval.stage, approval.stages),
        "In hand of": approval.claimed_by,
    }
    return {name: value for name, value in facts.items() if value}


def _advice(status: int) -> str:
    if status >= 500:
        return (
            "Nothing is lost. Try again in a moment; if it stays so, contact whoever runs this "
            "system."
        )
    if status == 404:
        return (
            "Copy the whole link from the message that brought it, or ask whoever sent it for "
            "another."
        )
    return "There is nothing more to do here. If that is wrong, ask whoever sent the link."


def _page_of(template: str, status: int, **facts: Any) -> Response[Any]:
    """With the style in it: whoever has a link may reach nothing else of ours."""
    shown = page(template, status, style=_STYLE, **facts)
    shown.headers = dict(_HEADERS)
    return shown
