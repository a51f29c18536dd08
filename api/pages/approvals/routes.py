"""`/approvals/{approvalId}`: one approval, for a person who is signed in."""

from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Request, Response, get, post
from litestar.response import Redirect

from api.access.actor import Caller
from api.access.identity import Actor
from api.access.tenancy import TenantId
from api.approvals import form_fields
from api.approvals.decisions import vote_of
from api.approvals.desk import in_hand
from api.approvals.documents import NamedDecision
from api.approvals.errors import ApprovalNotFound
from api.approvals.requests import ApprovalPath
from api.http.errors import InvalidRequest, Problem, answer_of, body_of
from api.http.records import Bus, Engine, Store, find
from api.pages.approvals.evidence import evidence_of
from api.pages.approvals.sight import sight_of
from api.pages.approvals.submitted import REASONS, decision_in, in_words
from api.pages.forms import Form, form_in
from api.pages.messages import flash
from api.pages.rendering import is_part, page
from blocks.approvals.decisions import (
    AlreadyDecided,
    Expired,
    InvalidVote,
    Refused,
    StageDecided,
    Vote,
)
from blocks.approvals.questions import Ask, answered
from blocks.approvals.standing import standing
from blocks.clock import utc_now
from blocks.contracts.claims.prompts import CHOSEN, prompt_of
from blocks.contracts.records import ApprovalRecord
from blocks.ports import RecordStore


class Remark(Form, frozen=True, kw_only=True):
    """A question, or its answer."""

    text: str = ""


@get("/approvals/{approvalId:str}")
async def show_approval(
    request: Request[Any, Any, Any],
    store: Store,
    tenant_id: TenantId,
    actor: Caller,
    approval_id: ApprovalPath,
) -> Response[Any]:
    """What is asked, what was found, who says what; and the form, for who may decide."""
    approval = await _found(store, tenant_id, approval_id)
    if is_part(request):
        seen = await sight_of(store, tenant_id, actor, approval, utc_now())
        return page("approvals/part.html", seen=seen, approval=approval)
    return await _shown(store, tenant_id, actor, approval)


@post("/approvals/{approvalId:str}")
async def decide_approval(
    request: Request[Any, Any, Any],
    store: Store,
    bus: Bus,
    flow_runs: Engine,
    tenant_id: TenantId,
    actor: Caller,
    approval_id: ApprovalPath,
) -> Response[Any]:
    """The decision is recorded; or the page again, with what is wrong or who was faster."""
    submitted = await _submitted(request)
    approval = await _found(store, tenant_id, approval_id)
    try:
        vote = _vote(approval, submitted, actor)
        decided = await in_hand(store, bus, flow_runs, tenant_id, approval.id).decide(vote)
    except (InvalidRequest, InvalidVote) as error:
        [problem, *_] = body_of(error).details or [Problem(message=answer_of(error).message)]
        return await _shown(store, tenant_id, actor, approval, submitted, problem)
    except Refused as refusal:
        return await _refused(store, tenant_id, actor, refusal)
    flash(request, f"Your decision is on the record. {standing(decided)}", "done")
    return _back(approval)


@post("/approvals/{approvalId:str}/ask")
async def ask_about_approval(
    request: Request[Any, Any, Any],
    store: Store,
    bus: Bus,
    flow_runs: Engine,
    tenant_id: TenantId,
    actor: Caller,
    approval_id: ApprovalPath,
) -> Response[Any]:
    """The question is on the record; it can still be decided without the answer."""
    remark = await form_in(request, Remark)
    approval = await _found(store, tenant_id, approval_id)
    ask = Ask(
        actor=actor.named,
        channel="page",
        roles=actor.roles,
        other_names=actor.other_names,
        is_proven=actor.proves_decider,
        text=remark.text,
    )
    try:
        await in_hand(store, bus, flow_runs, tenant_id, approval.id).ask(ask)
    except Refused as refusal:
        return await _refused(store, tenant_id, actor, refusal)
    flash(request, "Your question is on the record, and was sent to who asked.", "done")
    return _back(approval)


@post("/approvals/{approvalId:str}/answer")
async def answer_about_approval(
    request: Request[Any, Any, Any],
    store: Store,
    bus: Bus,
    flow_runs: Engine,
    tenant_id: TenantId,
    actor: Caller,
    approval_id: ApprovalPath,
) -> Response[Any]:
    """The open question has its answer."""
    remark = await form_in(request, Remark)
    approval = await _found(store, tenant_id, approval_id)
    who = actor.named
    try:
        await in_hand(store, bus, flow_runs, tenant_id, approval.id).change(
            actor, lambda one: answered(one, who, remark.text, "page", utc_now())
        )
    except Refused as refusal:
        return await _refused(store, tenant_id, actor, refusal)
    flash(request, "Your answer is on the record.", "done")
    return _back(approval)


async def _found(store: RecordStore, tenant_id: str, approval_id: str) -> ApprovalRecord:
    return await find(store, tenant_id, ApprovalRecord, approval_id, ApprovalNotFound)


def _back(approval: ApprovalRecord) -> Redirect:
    return Redirect(f"/approvals/{approval.id}", status_code=303)


# --- what was submitted ---------------------------------------------------------------------------


async def _submitted(request: Request[Any, Any, Any]) -> Mapping[str, str]:
    return {name: str(value) for name, value in (await request.form()).multi_items()}


def _vote(approval: ApprovalRecord, submitted: Mapping[str, str], actor: Actor) -> Vote:
    prompt = prompt_of(approval)
    if prompt is None or "outcome" in submitted:
        return vote_of(decision_in(approval, submitted), actor, "page")
    option = prompt.option(submitted.get("option", ""))
    if option is None:
        raise InvalidRequest(Problem(field="option", message="choose an answer", source="body"))
    answer = {"outcome": option.outcome, "reason": submitted.get("reason", "")}
    decision = decision_in(msgspec.structs.replace(approval, form_schema=None), answer)
    return vote_of(
        NamedDecision(outcome=decision.outcome, reason=decision.reason, form={CHOSEN: option.id}),
        actor,
        "page",
    )


# --- what is shown --------------------------------------------------------------------------------


async def _refused(
    store: RecordStore, tenant_id: str, actor: Actor, refusal: Refused
) -> Response[Any]:
    """The approval as it stands now, and why nothing was taken."""
    answer = answer_of(refusal)
    if isinstance(refusal, InvalidVote):
        notice = f"Not taken: {refusal.reason}."
    elif isinstance(refusal, StageDecided):
        notice = "It has moved to another stage since you opened it: read it again."
    elif isinstance(refusal, AlreadyDecided | Expired):
        notice = f"Not taken, it is already decided. {standing(refusal.approval)}"
    else:
        notice = f"Not taken: {answer.message}."
    return await _shown(
        store, tenant_id, actor, refusal.approval, status=answer.status, notice=notice
    )


async def _shown(
    store: RecordStore,
    tenant_id: str,
    actor: Actor,
    approval: ApprovalRecord,
    submitted: Mapping[str, str] | None = None,
    problem: Problem | None = None,
    *,
    status: int = 200,
    notice: str = "",
) -> Response[Any]:
    fields = form_fields.fields_of(approval.form_schema)
    if submitted is not None:
        fields = form_fields.filled(fields, submitted, problem)
    return page(
        "approvals/approval.html",
        400 if problem else status,
        approval=approval,
        seen=await sight_of(store, tenant_id, actor, approval, utc_now()),
        evidence=evidence_of(approval),
        fields=fields,
        reason=(submitted or {}).get("reason", ""),
        reason_hint=REASONS[approval.policy.reason_required],
        reason_error=problem.message if problem and problem.field == "reason" else "",
        notice=f"Not taken yet. {in_words(problem, fields)}" if problem else notice,
    )
