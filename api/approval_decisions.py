"""Deciding over HTTP: in the older form, in the newer one, and many at once."""

from collections.abc import Iterator
from contextlib import contextmanager

from litestar import Response, post
from litestar.params import JSONBody

from api import examples
from api.actor import Caller
from api.approval_documents import Approval, DecisionBody, ManyDecisions, OneOfMany, Verdict, approval_of
from api.approvals import ApprovalPath, shown
from api.bulk_documents import ManyResults, OneResult
from api.errors import ActorMissing, ApprovalChanged, ApprovalNotFound, NotThisUser, answer_of, body_of
from api.etags import IfMatch, wanted_version
from api.idempotency import KEY_ERRORS
from api.identity import Actor
from api.openapi import documented
from api.records import Bus, Engine, Store
from api.tenancy import TenantId
from blocks import approvals
from blocks.approval_decisions import (
    AlreadyDecided,
    AlreadyVoted,
    Expired,
    InvalidVote,
    NotAnApprover,
    Refused,
    SelfApproval,
    Vote,
)
from blocks.contracts.approvals import Outcome
from blocks.contracts.envelope import canonical_uuid
from blocks.contracts.records import ApprovalRecord
from blocks.ports import EventBus, FlowRuns, NotFound, RecordStore, Stale

DECISION_ERRORS = (
    ApprovalNotFound,
    NotAnApprover,
    SelfApproval,
    AlreadyDecided,
    AlreadyVoted,
    Expired,
    ApprovalChanged,
    *KEY_ERRORS,
)

_DOCUMENTED = documented(examples.APPROVAL, *DECISION_ERRORS, NotThisUser)


@post(
    "/hitl/approvals/{approvalId:str}/approve",
    status_code=200,
    summary="Approve",
    tags=["Approvals"],
    responses=_DOCUMENTED,
)
async def approve(
    store: Store,
    bus: Bus,
    flow_runs: Engine,
    tenant_id: TenantId,
    actor: Caller,
    approval_id: ApprovalPath,
    data: JSONBody[Verdict],
    if_match: IfMatch = None,
) -> Response[Approval]:
    """Approved by `decidedBy`, once and on the record; what waits for it goes on."""
    vote = _older(data, "approved", actor)
    with _in_the_older_words():
        return shown(await decide(store, bus, flow_runs, tenant_id, approval_id, vote, if_match))


@post(
    "/hitl/approvals/{approvalId:str}/reject",
    status_code=200,
    summary="Reject",
    tags=["Approvals"],
    responses=_DOCUMENTED,
)
async def reject(
    store: Store,
    bus: Bus,
    flow_runs: Engine,
    tenant_id: TenantId,
    actor: Caller,
    approval_id: ApprovalPath,
    data: JSONBody[Verdict],
    if_match: IfMatch = None,
) -> Response[Approval]:
    """Rejected by `decidedBy`, once and on the record; what waits for it ends as its rule says."""
    vote = _older(data, "rejected", actor)
    with _in_the_older_words():
        return shown(await decide(store, bus, flow_runs, tenant_id, approval_id, vote, if_match))


@post(
    "/hitl/approvals/{approvalId:str}/decisions",
    status_code=200,
    summary="Decide",
    tags=["Approvals"],
    responses=_DOCUMENTED,
)
async def take_decision(
    store: Store,
    bus: Bus,
    flow_runs: Engine,
    tenant_id: TenantId,
    actor: Caller,
    approval_id: ApprovalPath,
    data: JSONBody[DecisionBody],
    if_match: IfMatch = None,
) -> Response[Approval]:
    """The user's decision is on the record; the approval is decided by it, or `pending` while its quorum needs more."""
    return shown(await decide(store, bus, flow_runs, tenant_id, approval_id, _vote(data, actor), if_match))


@post(
    "/hitl/approvals/decisions",
    status_code=200,
    summary="Decide many",
    tags=["Approvals"],
    responses=documented(examples.MANY_RESULTS, *KEY_ERRORS),
)
async def take_decisions(
    store: Store,
    bus: Bus,
    flow_runs: Engine,
    tenant_id: TenantId,
    actor: Caller,
    data: JSONBody[ManyDecisions],
) -> ManyResults:
    """Each is decided on its own; the answer says, in the same order, with which status and what came of it."""
    if not actor.id:
        raise ActorMissing
    return ManyResults(
        results=[await _one_of_many(store, bus, flow_runs, tenant_id, actor, one) for one in data.decisions]
    )


async def decide(
    store: RecordStore,
    bus: EventBus,
    flow_runs: FlowRuns,
    tenant_id: str,
    approval_id: str,
    vote: Vote,
    if_match: str | None = None,
) -> ApprovalRecord:
    """The approval after this vote. Raises `Refused`, `ApprovalNotFound`, `ApprovalChanged`."""
    known_id, version = canonical_uuid(approval_id), wanted_version(if_match)
    if known_id is None:
        raise ApprovalNotFound
    try:
        return await approvals.decide(store, bus, flow_runs, tenant_id, known_id, vote, version=version)
    except NotFound:
        raise ApprovalNotFound from None
    except Stale:
        raise ApprovalChanged from None


async def _one_of_many(
    store: RecordStore, bus: EventBus, flow_runs: FlowRuns, tenant_id: str, actor: Actor, one: OneOfMany
) -> OneResult:
    try:
        approval = await decide(store, bus, flow_runs, tenant_id, one.id, _vote(one, actor))
    except (Refused, ApprovalNotFound) as error:
        return OneResult(id=one.id, status=answer_of(error).status, error=body_of(error))
    return OneResult(id=one.id, status=200, approval=approval_of(approval))


@contextmanager
def _in_the_older_words() -> Iterator[None]:
    """What the newer form calls `reason` is `comment` here."""
    try:
        yield
    except InvalidVote as invalid:
        field = "comment" if invalid.field == "reason" else invalid.field
        raise InvalidVote(invalid.approval, field, invalid.reason) from None


def _older(data: Verdict, outcome: Outcome, actor: Actor) -> Vote:
    return Vote(
        actor=actor.deciding(data.decided_by), roles=actor.roles, outcome=outcome, channel="api", reason=data.comment
    )


def _vote(data: DecisionBody, actor: Actor) -> Vote:
    return Vote(
        actor=actor.named, roles=actor.roles, outcome=data.said, channel="api", reason=data.reason, form=data.form
    )
