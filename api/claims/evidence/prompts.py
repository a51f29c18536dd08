"""`/api/v1/evidence`: smart prompts in the platform's form. Each is an approval, and may be decided
as one through any other channel.
"""

from typing import Annotated, get_args
from uuid import uuid4

from litestar import Router, delete, get, post
from litestar.params import JSONBody, PathParameter

from api.access.actor import Caller
from api.access.identity import Actor
from api.access.tenancy import TenantId
from api.approvals.desk import in_hand
from api.approvals.errors import ApprovalNotFound
from api.claims.evidence import prompt_examples as examples
from api.claims.evidence.claim_audit import read_claim_audit
from api.claims.evidence.prompt_documents import (
    NewPrompt,
    PromptAnswer,
    PromptList,
    PromptResult,
    PromptStatus,
    PromptView,
    status_of,
    view_of,
)
from api.claims.evidence.prompt_errors import ClaimMovedOn, PromptPending
from api.documentation.openapi import documented
from api.http.deprecation import COMPATIBLE
from api.http.errors import InvalidRequest, Problem
from api.http.parameters import one_of
from api.http.records import AllSettings, Bus, Engine, Store, find
from api.idempotency import KEY_ERRORS, idempotent
from blocks import deciding
from blocks.approvals import changes, lifecycle
from blocks.approvals.decisions import Expired, Refused, Vote
from blocks.approvals.standing import standing
from blocks.claims import prompts
from blocks.claims.prompt_rules import rule_for_caller
from blocks.clock import utc_now
from blocks.contracts.claims.phases import WORKFLOW
from blocks.contracts.claims.prompts import CHOSEN, GATE, TAKEN, Option, Prompt, prompt_of
from blocks.contracts.records import ApprovalRecord
from blocks.contracts.records.claims import ClaimRecord, ClaimStatus
from blocks.ports import EventBus, FlowRuns, RecordStore
from blocks.queries import every

_ASKABLE: tuple[ClaimStatus, ...] = (*prompts.ASKABLE, "review")
"""A claim for review may be asked about again: its first prompt expired, or wanted more."""

_TAGS = ["Evidence"]

PromptPath = Annotated[str, PathParameter(name="promptId", description="The prompt's id")]

# The platform lists by claim where it withdraws by prompt: one template, and so one name.
ClaimPath = Annotated[str, PathParameter(name="promptId", description="Here, the claim's id")]


@post(
    "/evidence/prompts",
    status_code=201,
    summary="Ask about a claim's evidence",
    tags=_TAGS,
    responses=documented(examples.PROMPT, ClaimMovedOn, PromptPending, *KEY_ERRORS, status=201),
)
async def create_prompt(
    store: Store,
    bus: Bus,
    settings: AllSettings,
    tenant_id: TenantId,
    actor: Caller,
    data: JSONBody[NewPrompt],
) -> PromptView:
    """A person is asked, by the tenant's rule; the claim is `prompted` until the answer. One
    question at a time: the same one again is answered as it stands.
    """
    _check_options(data.options)
    claim = await _claim(store, tenant_id, data)
    prompt = _prompt(claim, data)
    approval = await prompts.put(
        store,
        bus,
        settings,
        claim,
        prompt,
        rule=await rule_for_caller(store, tenant_id, settings, data.expiry_hours),
        approval_id=str(uuid4()),
        askable=_ASKABLE,
        asked_by=actor.on_record,
    )
    if approval is None:
        raise ClaimMovedOn
    if prompt_of(approval) != prompt:
        raise PromptPending
    return view_of(approval, prompt)


@get(
    "/evidence/prompts/{promptId:str}",
    summary="List a claim's prompts",
    tags=_TAGS,
    responses=documented(examples.PROMPT_LIST),
)
async def list_prompts(
    store: Store,
    tenant_id: TenantId,
    claim_id: ClaimPath,
    status: Annotated[
        PromptStatus | None, one_of(get_args(PromptStatus), "Only in this status")
    ] = None,
) -> PromptList:
    """Every prompt about the claim, newest first; none for a claim that is not known."""
    of_claim = {"workflow": WORKFLOW, "gate": GATE, "subject": claim_id}
    views = [
        view_of(stored.record, prompt)
        async for stored in every(store, tenant_id, ApprovalRecord, of_claim, newest_first=True)
        if (prompt := prompt_of(stored.record))
    ]
    shown = [view for view in views if status in (None, view.status)]
    return PromptList(claim_id=claim_id, prompts=shown)


@post(
    "/evidence/prompts/{promptId:str}/answer",
    status_code=200,
    summary="Answer a prompt",
    tags=_TAGS,
    responses=documented(examples.ANSWERED, *KEY_ERRORS),
)
async def answer_prompt(
    store: Store,
    bus: Bus,
    flow_runs: Engine,
    tenant_id: TenantId,
    actor: Caller,
    prompt_id: PromptPath,
    data: JSONBody[PromptAnswer],
) -> PromptResult:
    """The answer is a decision about the approval. One that does not count is answered 200 with
    `success` false, and `action_taken` `expired` or `error`.
    """
    return await answer(store, bus, flow_runs, tenant_id, actor, prompt_id, data, "api")


@delete(
    "/evidence/prompts/{promptId:str}",
    status_code=200,
    summary="Withdraw a prompt",
    tags=_TAGS,
    responses=documented(examples.WITHDRAWN, named="PromptWithdrawn"),
)
async def withdraw_prompt(
    store: Store,
    bus: Bus,
    flow_runs: Engine,
    tenant_id: TenantId,
    actor: Caller,
    prompt_id: PromptPath,
) -> PromptResult:
    """The question is withdrawn, and its claim is for review."""
    found = await _found(store, tenant_id, prompt_id)
    if found is None:
        return _refused(prompt_id, "error", "Prompt not found")
    id, who = found[0].id, actor.on_record or actor.named
    try:
        stored = await lifecycle.change(
            store, tenant_id, id, lambda one: changes.cancelled(one, who, None, utc_now())
        )
    except Refused as refusal:
        return _refused(id, "error", str(refusal))
    await deciding.follow_up(store, bus, flow_runs, stored)
    return PromptResult(
        success=True, prompt_id=id, action_taken="cancelled", message="Prompt cancelled"
    )


def prompt_routes(store: RecordStore) -> Router:
    """The routes of prompts, to be put below the prefix of the tenants' routes."""
    return Router(
        "/",
        route_handlers=[
            list_prompts,
            withdraw_prompt,
            read_claim_audit,
            idempotent(store, create_prompt, answer_prompt),
        ],
        opt=COMPATIBLE,
    )


async def answer(
    store: RecordStore,
    bus: EventBus,
    flow_runs: FlowRuns,
    tenant_id: str,
    actor: Actor,
    prompt_id: str,
    data: PromptAnswer,
    channel: str,
) -> PromptResult:
    """As `answer_prompt`, whichever way the answer came."""
    found = await _found(store, tenant_id, prompt_id)
    if found is None:
        return _refused(prompt_id, "error", "Prompt not found")
    approval, prompt = found
    if (status := status_of(approval)) != "pending":
        taken = "expired" if status == "expired" else "error"
        return _refused(approval.id, taken, f"Prompt is not pending: it is {status}")
    option = prompt.option(data.selected_option)
    if option is None:
        return _refused(approval.id, "error", "Invalid option selected")
    try:
        vote = _vote(actor, option, data, channel)
        decided = await in_hand(store, bus, flow_runs, tenant_id, approval.id).decide(vote)
    except (Refused, ApprovalNotFound) as refusal:
        taken = "expired" if isinstance(refusal, Expired) else "error"
        return _refused(approval.id, taken, str(refusal))
    return PromptResult(
        success=True,
        prompt_id=approval.id,
        action_taken=TAKEN[option.action],
        message=f"Answer recorded. {standing(decided)}",
    )


# --- helpers --------------------------------------------------------------------------------------


def _check_options(options: list[Option]) -> None:
    if len({option.id for option in options}) < len(options):
        raise _invalid("options", "must have different ids")


async def _claim(store: RecordStore, tenant_id: str, data: NewPrompt) -> ClaimRecord:
    where = {"claim_id": data.claim_id} | ({"user_id": data.user_id} if data.user_id else {})
    found = [stored.record async for stored in every(store, tenant_id, ClaimRecord, where)]
    if not found:
        raise _invalid("claim_id", "No such claim")
    if len(found) > 1:
        raise _invalid("user_id", "is required: several users have a claim of this id")
    return found[0]


def _invalid(field: str, message: str) -> InvalidRequest:
    return InvalidRequest(Problem(field=field, message=message, source="body"))


def _prompt(claim: ClaimRecord, data: NewPrompt) -> Prompt:
    return Prompt(
        claim_key=claim.id,
        claim_id=claim.claim_id,
        user_id=claim.user_id,
        sync_id=claim.sync_id,
        question=data.question,
        options=data.options,
        confidence=claim.match_confidence,
        metadata=data.metadata,
    )


async def _found(
    store: RecordStore, tenant_id: str, prompt_id: str
) -> tuple[ApprovalRecord, Prompt] | None:
    try:
        approval = await find(store, tenant_id, ApprovalRecord, prompt_id, ApprovalNotFound)
    except ApprovalNotFound:
        return None
    prompt = prompt_of(approval)
    return (approval, prompt) if prompt else None


def _vote(actor: Actor, option: Option, data: PromptAnswer, channel: str) -> Vote:
    return Vote(
        actor=actor.deciding(data.decided_by),
        roles=actor.roles,
        other_names=actor.other_names,
        is_proven=actor.proves_decider,
        outcome=option.outcome,
        channel=channel,
        reason=data.reasoning,
        form={CHOSEN: option.id},
    )


def _refused(prompt_id: str, taken: str, message: str) -> PromptResult:
    return PromptResult(success=False, prompt_id=prompt_id, action_taken=taken, message=message)
