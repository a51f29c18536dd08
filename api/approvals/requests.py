"""`/hitl/approvals`: read, list and create approvals."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, get_args
from uuid import uuid4

from litestar import Response, get, post
from litestar.params import JSONBody, PathParameter, QueryParameter

from api.access.actor import Caller
from api.access.identity import Actor
from api.access.tenancy import TenantId
from api.approvals import examples
from api.approvals.documents import (
    Approval,
    ApprovalHistory,
    ApprovalPage,
    NewApproval,
    approval_of,
    summary_of,
)
from api.approvals.errors import ApprovalNotFound
from api.approvals.own_terms import check_terms
from api.documentation.openapi import documented
from api.executions.errors import ExecutionEnded
from api.http.deprecation import SHARED
from api.http.errors import InvalidRequest, Problem
from api.http.etags import etag_of
from api.http.lists import (
    LIMIT,
    Continuation,
    Limit,
    NewestOrOldest,
    Order,
    any_of,
    page_of,
    part_of,
)
from api.http.parameters import Bound, Texts, between, moment, texts, words
from api.http.records import AllSettings, Bus, Store, find
from api.idempotency import KEY_ERRORS
from blocks.approvals import lifecycle, stand_ins
from blocks.approvals.decisions import ApproverAct, is_overdue, may_act
from blocks.approvals.forms import check_schema, off_loop
from blocks.clock import utc_now
from blocks.contracts.approvals import HistoryEntry
from blocks.contracts.reading.uuids import spellings
from blocks.contracts.records import ApprovalRecord, ExecutionRecord
from blocks.contracts.states import ApprovalStatus
from blocks.ports import NotFound, RecordStore, Stored, Unavailable
from blocks.tenants.directory import enter_in_directory

ApprovalPath = Annotated[str, PathParameter(name="approvalId")]

_LOOKS = 20
"""So many pages of the store are looked through for one page of a filter that the store cannot
answer.
"""


@get(
    "/hitl/approvals",
    summary="List approvals",
    tags=["Approvals"],
    responses=documented(examples.APPROVAL_PAGE),
)
async def list_approvals(
    store: Store,
    tenant_id: TenantId,
    actor: Caller,
    status: Annotated[
        list[ApprovalStatus] | None, words(get_args(ApprovalStatus), "Only in this status")
    ] = None,
    workflow: Annotated[Texts, texts("Only of this workflow")] = None,
    subject: Annotated[Texts, texts("Only about this subject, e.g. an opportunity id")] = None,
    created_after: Annotated[
        Bound | None, moment("createdAfter", "Only those created then or later")
    ] = None,
    created_before: Annotated[
        Bound | None, moment("createdBefore", "Only those created before that")
    ] = None,
    overdue: Annotated[
        bool,
        QueryParameter(description="Only those that are pending past their `dueAt` or `expiresAt`"),
    ] = False,
    mine: Annotated[
        bool,
        QueryParameter(description="Only pending ones that the user may decide, also for another"),
    ] = False,
    order: Order = "newest",
    limit: Limit = LIMIT,
    continuation: Continuation = None,
) -> ApprovalPage:
    """The tenant's approvals. No `continuation` in the answer: the last page.

    With `overdue` or `mine`, a page may hold fewer than `limit` although there are more.
    """
    filters = {
        "workflow": any_of(workflow),
        "subject": any_of(subject, spellings),
        "created_at": between(created_after, created_before),
    }
    where: dict[str, Any] = {name: value for name, value in filters.items() if value is not None}
    counts = await _counts(store, tenant_id, where) if continuation is None else None
    where |= {"status": any_of(status or (["pending"] if overdue or mine else None))}
    found, continuation = await page_of_approvals(
        store,
        tenant_id,
        where,
        mine=actor if mine else None,
        overdue_at=utc_now() if overdue else None,
        limit=limit,
        continuation=continuation,
        order=order,
    )
    return ApprovalPage(
        items=[summary_of(one) for one in found], continuation=continuation, counts=counts
    )


@get(
    "/hitl/approvals/{approvalId:str}",
    summary="Read one approval",
    tags=["Approvals"],
    opt=SHARED,
    responses=documented(examples.APPROVAL, ApprovalNotFound),
)
async def read_approval(
    store: Store, tenant_id: TenantId, approval_id: ApprovalPath
) -> Response[Approval]:
    """The approval with its request and its decision. Its ETag changes with every change."""
    return shown(await find(store, tenant_id, ApprovalRecord, approval_id, ApprovalNotFound))


@get(
    "/hitl/approvals/{approvalId:str}/history",
    summary="Read what happened to an approval",
    tags=["Approvals"],
    responses=documented(examples.APPROVAL_HISTORY, ApprovalNotFound),
)
async def read_approval_history(
    store: Store,
    tenant_id: TenantId,
    approval_id: ApprovalPath,
    limit: Limit = LIMIT,
    continuation: Continuation = None,
) -> ApprovalHistory:
    """Everything that happened to it, by whom and when, oldest first."""
    approval = await find(store, tenant_id, ApprovalRecord, approval_id, ApprovalNotFound)
    page, continuation = part_of(approval.history, limit=limit, continuation=continuation)
    return ApprovalHistory(items=page, continuation=continuation, total=len(approval.history))


@post(
    "/hitl/approvals",
    status_code=201,
    summary="Ask for an approval",
    tags=["Approvals"],
    responses=documented(
        examples.APPROVAL, ExecutionEnded, lifecycle.TooManyAsked, *KEY_ERRORS, status=201
    ),
)
async def create_approval(
    store: Store,
    bus: Bus,
    settings: AllSettings,
    tenant_id: TenantId,
    actor: Caller,
    data: JSONBody[NewApproval],
) -> Response[Approval]:
    """The approval is requested and published; an execution that is named waits for the decision.

    An own policy, `onReject`, `options`, `escalations` or `gate` on an execution needs the role
    `admin`, and so does `onExpiry: approve` anywhere; the tenant's rule applies in addition.
    """
    check_terms(actor, data)
    await _check(store, tenant_id, data)
    await enter_in_directory(store, tenant_id)
    wanted = _new_approval(tenant_id, actor, data)
    stored = await lifecycle.open_approval(store, wanted, settings.server)
    if data.execution_id is not None and not await lifecycle.attach(
        store, stored, at_most=lifecycle.ASKED_MAX
    ):
        raise ExecutionEnded
    await _announce(store, bus, stored)
    created = shown(stored.record, status=201)
    created.headers["Location"] = f"/api/v1/hitl/approvals/{stored.record.id}"
    return created


def shown(approval: ApprovalRecord, status: int = 200) -> Response[Approval]:
    """The approval, with its ETag."""
    return Response(
        approval_of(approval), status_code=status, headers={"ETag": etag_of(approval.version)}
    )


# --- list -----------------------------------------------------------------------------------------


async def _counts(store: RecordStore, tenant_id: str, where: dict[str, Any]) -> dict[str, int]:
    return {
        status: await store.count(tenant_id, ApprovalRecord, {**where, "status": status})
        for status in get_args(ApprovalStatus)
    }


async def as_approver(store: RecordStore, tenant_id: str, actor: Actor) -> ApproverAct:
    """With whom they stand in for now."""
    names = (actor.named, *actor.other_names)
    return ApproverAct(
        actor=actor.named,
        channel="api",
        roles=actor.roles,
        other_names=actor.other_names,
        stands_in=await stand_ins.absences(store, tenant_id, names, utc_now()),
    )


def _wanted(
    mine: ApproverAct | None, overdue_at: datetime | None
) -> Callable[[ApprovalRecord], bool]:
    def wanted(approval: ApprovalRecord) -> bool:
        if mine is not None and not may_act(approval, mine, utc_now()):
            return False
        if overdue_at is None:
            return True
        return is_overdue(approval, overdue_at) or (
            approval.due_at is not None and approval.due_at <= overdue_at
        )

    return wanted


async def page_of_approvals(
    store: RecordStore,
    tenant_id: str,
    where: dict[str, Any],
    *,
    mine: Actor | None,
    overdue_at: datetime | None,
    limit: int,
    continuation: str | None,
    order: NewestOrOldest,
) -> tuple[list[ApprovalRecord], str | None]:
    """Approvals that match, and where the next page begins.

    `mine`: only those that this user may decide; `overdue_at`: only those that are past their time
    then. Raises `InvalidRequest` for a continuation of another list, `ActorMissing`.
    """
    wanted = _wanted(await as_approver(store, tenant_id, mine) if mine else None, overdue_at)
    also = {"overdue": overdue_at is not None, "mine": mine.id if mine else None}
    found: list[ApprovalRecord] = []
    for _ in range(_LOOKS):
        page = await page_of(
            store,
            tenant_id,
            ApprovalRecord,
            where,
            limit=limit,
            continuation=continuation,
            also=also,
            order=order,
        )
        found = [stored.record for stored in page.items if wanted(stored.record)]
        continuation = page.continuation
        if found or continuation is None:
            break
    return found, continuation


# --- create ---------------------------------------------------------------------------------------


async def _check(store: RecordStore, tenant_id: str, data: NewApproval) -> None:
    if not (data.subject or data.opportunity_id):
        raise _invalid("subject", "is required, or opportunityId")
    if data.form_schema is not None and (problem := await off_loop(check_schema, data.form_schema)):
        raise _invalid("formSchema", problem)
    if data.expires_at is not None and data.expires_at <= utc_now():
        raise _invalid("expiresAt", "must be in the future")
    if data.execution_id is not None:
        try:
            await store.read(tenant_id, ExecutionRecord, data.execution_id)
        except NotFound:
            raise _invalid("executionId", "No such execution") from None


def _invalid(field: str, message: str) -> InvalidRequest:
    return InvalidRequest(Problem(field=field, message=message, source="body"))


def _new_approval(tenant_id: str, actor: Actor, data: NewApproval) -> ApprovalRecord:
    now, subject = utc_now(), data.subject or data.opportunity_id or ""
    return ApprovalRecord(
        id=str(uuid4()),
        tenant_id=tenant_id,
        created_at=now,
        requested_at=now,
        opportunity_id=data.opportunity_id,
        subject=subject,
        risk_score=data.risk_score,
        amount=data.amount or 0.0,
        amount_known=data.amount is not None,
        execution_id=data.execution_id,
        workflow=data.workflow,
        gate=data.gate,
        owner_id=data.owner_id,
        approver_id=data.approver_id,
        recipient_id=data.recipient_id,
        correlation_id=data.correlation_id,
        requested_by=actor.on_record,
        other_names={actor.id: sorted(actor.other_names)} if actor.other_names else {},
        summary=data.summary,
        context=data.context or {},
        form_schema=data.form_schema,
        options=tuple(data.options),
        policy=data.policy,
        due_at=data.due_at,
        expires_at=data.expires_at,
        on_expiry=data.on_expiry,
        on_reject=data.on_reject,
        reminders=sorted(data.reminders),
        escalations=sorted(data.escalations, key=lambda one: one.at),
        history=[HistoryEntry(what="requested", at=now, actor=actor.on_record, channel="api")],
    )


async def _announce(store: RecordStore, bus: Bus, stored: Stored[ApprovalRecord]) -> None:
    try:
        await lifecycle.announce(store, bus, stored)
    except Unavailable:
        return  # the reconciler publishes it once the broker is back
