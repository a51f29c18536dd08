"""What else a person can do with a pending approval: claim it, hand it on, remind, give it time, withdraw it."""

from litestar import Response, post
from litestar.params import JSONBody

from api import examples
from api.actor import Caller
from api.approval_documents import Approval, Delegation, Extension, Withdrawal
from api.approvals import ApprovalPath, shown
from api.errors import ApprovalChanged, ApprovalNotFound
from api.etags import IfMatch, wanted_version
from api.idempotency import KEY_ERRORS
from api.openapi import documented
from api.records import Bus, Engine, Store
from api.tenancy import TenantId
from blocks import approval_changes, approvals
from blocks.approval_changes import ClaimedByAnother
from blocks.approval_decisions import AlreadyDecided, Expired, NotAnApprover, SelfApproval
from blocks.approvals import Change
from blocks.clock import utc_now
from blocks.contracts.envelope import canonical_uuid
from blocks.ports import EventBus, FlowRuns, NotFound, RecordStore, Stale

_DOCUMENTED = documented(
    examples.APPROVAL,
    ApprovalNotFound,
    NotAnApprover,
    SelfApproval,
    ClaimedByAnother,
    AlreadyDecided,
    Expired,
    ApprovalChanged,
    *KEY_ERRORS,
)


@post(
    "/hitl/approvals/{approvalId:str}/claim",
    status_code=200,
    summary="Claim",
    tags=["Approvals"],
    responses=_DOCUMENTED,
)
async def claim(
    store: Store,
    bus: Bus,
    flow_runs: Engine,
    tenant_id: TenantId,
    actor: Caller,
    approval_id: ApprovalPath,
    if_match: IfMatch = None,
) -> Response[Approval]:
    """The others see who has it in hand; they may still decide."""
    who = actor.named

    return await _changed(
        store,
        bus,
        flow_runs,
        tenant_id,
        approval_id,
        if_match,
        lambda approval: approval_changes.claimed(approval, who, actor.roles, utc_now()),
    )


@post(
    "/hitl/approvals/{approvalId:str}/release",
    status_code=200,
    summary="Release",
    tags=["Approvals"],
    responses=_DOCUMENTED,
)
async def release(
    store: Store,
    bus: Bus,
    flow_runs: Engine,
    tenant_id: TenantId,
    actor: Caller,
    approval_id: ApprovalPath,
    if_match: IfMatch = None,
) -> Response[Approval]:
    """Nobody has it in hand any more."""
    who = actor.named

    return await _changed(
        store,
        bus,
        flow_runs,
        tenant_id,
        approval_id,
        if_match,
        lambda approval: approval_changes.released(approval, who, utc_now()),
    )


@post(
    "/hitl/approvals/{approvalId:str}/delegate",
    status_code=200,
    summary="Delegate",
    tags=["Approvals"],
    responses=_DOCUMENTED,
)
async def delegate(
    store: Store,
    bus: Bus,
    flow_runs: Engine,
    tenant_id: TenantId,
    actor: Caller,
    approval_id: ApprovalPath,
    data: JSONBody[Delegation],
    if_match: IfMatch = None,
) -> Response[Approval]:
    """`to` may decide in the place of the user."""
    who = actor.named

    return await _changed(
        store,
        bus,
        flow_runs,
        tenant_id,
        approval_id,
        if_match,
        lambda approval: approval_changes.delegated(approval, who, actor.roles, data.to, data.reason, utc_now()),
    )


@post(
    "/hitl/approvals/{approvalId:str}/remind",
    status_code=200,
    summary="Remind",
    tags=["Approvals"],
    responses=_DOCUMENTED,
)
async def remind(
    store: Store,
    bus: Bus,
    flow_runs: Engine,
    tenant_id: TenantId,
    actor: Caller,
    approval_id: ApprovalPath,
    if_match: IfMatch = None,
) -> Response[Approval]:
    """`hitl.approval.reminded` is published."""
    who = actor.named

    return await _changed(
        store,
        bus,
        flow_runs,
        tenant_id,
        approval_id,
        if_match,
        lambda approval: approval_changes.reminded(approval, who, utc_now()),
    )


@post(
    "/hitl/approvals/{approvalId:str}/extend",
    status_code=200,
    summary="Extend",
    tags=["Approvals"],
    responses=_DOCUMENTED,
)
async def extend(
    store: Store,
    bus: Bus,
    flow_runs: Engine,
    tenant_id: TenantId,
    actor: Caller,
    approval_id: ApprovalPath,
    data: JSONBody[Extension],
    if_match: IfMatch = None,
) -> Response[Approval]:
    """It expires later."""
    who = actor.named

    return await _changed(
        store,
        bus,
        flow_runs,
        tenant_id,
        approval_id,
        if_match,
        lambda approval: approval_changes.extended(approval, who, data.expires_at, utc_now()),
    )


@post(
    "/hitl/approvals/{approvalId:str}/cancel",
    status_code=200,
    summary="Withdraw",
    tags=["Approvals"],
    responses=_DOCUMENTED,
)
async def withdraw(
    store: Store,
    bus: Bus,
    flow_runs: Engine,
    tenant_id: TenantId,
    actor: Caller,
    approval_id: ApprovalPath,
    data: JSONBody[Withdrawal],
    if_match: IfMatch = None,
) -> Response[Approval]:
    """Nobody is asked any more; an execution that waits for it fails with `approval-cancelled`."""
    who = actor.named

    return await _changed(
        store,
        bus,
        flow_runs,
        tenant_id,
        approval_id,
        if_match,
        lambda approval: approval_changes.cancelled(approval, who, data.reason, utc_now()),
    )


async def _changed(
    store: RecordStore,
    bus: EventBus,
    flow_runs: FlowRuns,
    tenant_id: str,
    approval_id: str,
    if_match: str | None,
    change: Change,
) -> Response[Approval]:
    known_id, version = canonical_uuid(approval_id), wanted_version(if_match)
    if known_id is None:
        raise ApprovalNotFound
    try:
        stored = await approvals.change(store, tenant_id, known_id, change, version=version)
    except NotFound:
        raise ApprovalNotFound from None
    except Stale:
        raise ApprovalChanged from None
    return shown(await approvals.follow_up(store, bus, flow_runs, stored))
