"""What every process does with an approval: request, vote, announce, resume. All idempotent.

The record is the truth: a decision counts once it is written, with the ETag of the version it was
made on. What follows from it (its event, the resumption of the suspended run) is done at once by
the process that wrote it, and repeated by the reconciler until `settled_at` records that nothing is
due (`blocks/deciding.py`).
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from inspect import isawaitable
from typing import TypeVar

import msgspec
from msgspec.structs import replace

from blocks import signals
from blocks.approvals import stand_ins
from blocks.approvals.decisions import AlreadyDecided as AlreadyDecided
from blocks.approvals.decisions import ApproverAct, StageDecided, Vote, decided, may_act
from blocks.approvals.events import unpublished
from blocks.approvals.forms import off_loop
from blocks.approvals.prefect_ui.answer import RESUMES
from blocks.approvals.questions import Ask, questioned
from blocks.approvals.room import check_room
from blocks.approvals.timers import outcome_of_expiry, with_next_look
from blocks.clock import utc_now
from blocks.contracts.events import JsonObject
from blocks.contracts.records import ApprovalRecord, ExecutionRecord
from blocks.executions import transitions
from blocks.messages import to_message
from blocks.observability.metrics import work
from blocks.ports import (
    AlreadyExists,
    EventBus,
    FlowRuns,
    NotFound,
    RecordStore,
    Stale,
    Stored,
    WrongVersion,
)
from blocks.queries import every
from blocks.settings.links import approval_url
from blocks.settings.sections import Server
from blocks.tenants.directory import enter_in_directory
from blocks.updates import update

log = logging.getLogger(__name__)

A = TypeVar("A", bound=ApproverAct)
Change = Callable[[ApprovalRecord], ApprovalRecord | Awaitable[ApprovalRecord]]


ASKED_MAX = 50
"""Approvals that requests may add to one execution."""


class TooManyAsked(Exception):
    """The execution waits for as many approvals as may be added to it."""


# --- ask ------------------------------------------------------------------------------------------


async def open_approval(
    store: RecordStore, approval: ApprovalRecord, server: Server | None = None
) -> Stored[ApprovalRecord]:
    """The approval as it stands: this one if it is new, else the one of the same id that was there
    before. `server` has the address of its page, for the event that we publish of it.
    """
    if server is not None:
        approval = replace(approval, approval_url=approval_url(server, approval.id))
    try:
        return await store.create(approval.tenant_id, with_next_look(approval))
    except AlreadyExists:
        return await store.read(approval.tenant_id, ApprovalRecord, approval.id)


async def attach(
    store: RecordStore, approval: Stored[ApprovalRecord], at_most: int | None = None
) -> bool:
    """The execution that the approval names waits for it; False if it had ended: then the approval
    stands alone.

    Either the execution knows of the approval when it concludes, or it has concluded before: its
    ETag decides which. Raises `TooManyAsked`, and the approval stands alone, if the execution waits
    for `at_most` already.
    """
    record = approval.record

    async def attached() -> ExecutionRecord:
        execution = await store.read(record.tenant_id, ExecutionRecord, record.execution_id or "")
        waiting = execution.record.approval_ids
        is_full = at_most is not None and len(waiting) >= at_most
        if execution.record.is_terminal or record.id in waiting or is_full:
            return execution.record
        return (
            await transitions.change(store, execution, approval_ids=[*waiting, record.id])
        ).record

    execution = await update(attached, f"execution {record.execution_id}")
    if not execution.is_terminal and record.id in execution.approval_ids:
        return True
    await store.replace(
        record.tenant_id, approval.etag, msgspec.structs.replace(record, execution_id=None)
    )
    if not execution.is_terminal:
        raise TooManyAsked(f"execution {record.execution_id} waits for {at_most} approvals already")
    return False


# --- decide ---------------------------------------------------------------------------------------


async def record_vote(
    store: RecordStore, tenant_id: str, approval_id: str, vote: Vote, *, version: int | None = None
) -> Stored[ApprovalRecord]:
    """The vote is on the record, with no other effect.

    Raises `Refused` if it does not count, `Stale` if the approval is no longer at this `version`,
    `NotFound`, `Unavailable` if the store did not answer: then the vote may count or not, and can
    be repeated. A vote that comes too late for its stage is none in the next one.
    """
    stages = [] if vote.stage is None else [vote.stage]

    async def make(approval: ApprovalRecord) -> ApprovalRecord:
        stages.append(approval.stage or "")
        if approval.status == "pending" and stages[-1] != stages[0]:
            raise StageDecided(approval, stages[0])
        ready = await _with_absences(store, approval, vote)
        if approval.form_schema is None:
            return decided(approval, ready, utc_now())
        return await off_loop(decided, approval, ready, utc_now())

    return await change(store, tenant_id, approval_id, make, version=version)


async def record_question(
    store: RecordStore, tenant_id: str, approval_id: str, ask: Ask, *, version: int | None = None
) -> Stored[ApprovalRecord]:
    """The question is on the record. Raises as `record_vote` does."""

    async def make(approval: ApprovalRecord) -> ApprovalRecord:
        return questioned(approval, await _with_absences(store, approval, ask), utc_now())

    return await change(store, tenant_id, approval_id, make, version=version)


async def _with_absences(store: RecordStore, approval: ApprovalRecord, act: A) -> A:
    """The act, with those for whom its actor stands in: looked up at every attempt, and only for
    whom they would count.
    """
    if not act.is_proven or may_act(approval, act, utc_now()):
        return act
    names = (act.actor, *act.other_names)
    found = await stand_ins.absences(store, approval.tenant_id, names, utc_now())
    return msgspec.structs.replace(act, stands_in=found)


async def change(
    store: RecordStore,
    tenant_id: str,
    approval_id: str,
    make: Change,
    *,
    version: int | None = None,
) -> Stored[ApprovalRecord]:
    """The record has the change that `make` returns; after a lost race `make` is called again.

    Raises what `make` raises, and `NoRoom`. Raises `Stale` if the approval is no longer at this
    `version`; what `make` refuses in any case is refused for its own reason (RFC 9110, 13.2.1: a
    precondition counts only where the request would have succeeded).
    """

    async def changed() -> Stored[ApprovalRecord]:
        stored = await store.read(tenant_id, ApprovalRecord, approval_id)
        made = make(stored.record)
        new = with_next_look(await made if isawaitable(made) else made)
        if version not in (None, stored.record.version):
            raise WrongVersion(
                f"approval {approval_id} is at version {stored.record.version}, not {version}"
            )
        if new is stored.record:
            return stored
        if new.version != stored.record.version:
            check_room(stored.record, new)
        if stored.record.origin is not None:  # its tenant may be new here, and what follows is due
            await enter_in_directory(store, tenant_id)
        written = await store.replace(tenant_id, stored.etag, new)
        work.approval_changed(stored.record, new)
        return written

    return await update(changed, f"approval {approval_id}")


# --- follow up ------------------------------------------------------------------------------------


async def announce(
    store: RecordStore, bus: EventBus, stored: Stored[ApprovalRecord]
) -> Stored[ApprovalRecord]:
    """Each change of the approval is confirmed by the broker, under its id, and recorded so."""
    approval = stored.record
    if approval.published_count == len(approval.history):
        return stored
    await bus.publish(*(to_message(event) for event in unpublished(approval)))
    # No run waits for one without an execution: once published, it is settled.
    is_done = approval.status != "pending" and approval.execution_id is None
    published = msgspec.structs.replace(
        approval,
        published_count=len(approval.history),
        settled_at=utc_now() if is_done else approval.settled_at,
    )
    try:
        return await store.replace(approval.tenant_id, stored.etag, with_next_look(published))
    except Stale:
        return stored  # already announced, or a newer change is still to be


async def resume(
    store: RecordStore, bus: EventBus, flow_runs: FlowRuns, approval: ApprovalRecord
) -> bool:
    """The run that is suspended for this approval goes on, if there is one and it has nothing else
    to wait for.

    A bare resume: the flow reads the decision from the record. False if Prefect refused: it is not
    suspended (yet).
    """
    execution = await waiting_execution(store, approval)
    if execution is None or execution.flow_run_id is None or approval.status == "pending":
        return False
    if verdict(await approvals_of(store, execution)) is None:
        return False
    for without_a_decision in RESUMES:
        if await flow_runs.resume(execution.flow_run_id, without_a_decision):
            await bus.broadcast(signals.FLOW_RUNS_SCHEDULED, execution.flow_run_id.encode())
            return True
    return False


def with_bookkeeping(approval: ApprovalRecord, *, waits: int) -> ApprovalRecord:
    """The same approval for everybody but ourselves: neither its version nor its
    history changes.
    """
    return approval if approval.waits == waits else msgspec.structs.replace(approval, waits=waits)


async def settle(store: RecordStore, stored: Stored[ApprovalRecord]) -> None:
    """Nothing is due any more. A change that happened meanwhile is followed up first."""
    if stored.record.settled_at is None:
        settled = msgspec.structs.replace(stored.record, settled_at=utc_now())
        try:
            await store.replace(settled.tenant_id, stored.etag, settled)
        except Stale:
            log.debug("approval %s changed while it was being settled", settled.id)


# --- what an execution waits for ------------------------------------------------------------------


async def waiting_execution(store: RecordStore, approval: ApprovalRecord) -> ExecutionRecord | None:
    """The execution that awaits this approval now."""
    if approval.execution_id is None:
        return None
    try:
        execution = (
            await store.read(approval.tenant_id, ExecutionRecord, approval.execution_id)
        ).record
    except NotFound:
        return None
    return execution if execution.status == "awaiting_approval" else None


async def approvals_of(
    store: RecordStore, execution: ExecutionRecord
) -> list[Stored[ApprovalRecord]]:
    """Every approval that hangs on this execution now, oldest first; of earlier tries, those that
    were granted.
    """
    of_execution = {"execution_id": execution.id}
    return [
        stored
        async for stored in every(store, execution.tenant_id, ApprovalRecord, of_execution)
        if stored.record.retry == execution.retries or is_granted(stored.record)
    ]


def verdict(asked: Sequence[Stored[ApprovalRecord]]) -> Stored[ApprovalRecord] | None:
    """The approval that determines how the execution goes on; None: not yet.

    The first that makes it fail, once there is one. To complete, all must be decided: then the
    first that was refused and still lets it complete, else the last.
    """
    refused = [
        stored
        for stored in asked
        if stored.record.status != "pending" and not is_granted(stored.record)
    ]
    if failing := [stored for stored in refused if not lets_complete(stored.record)]:
        return failing[0]
    if not asked or any(stored.record.status == "pending" for stored in asked):
        return None
    return (
        refused[0]
        if refused
        else max(asked, key=lambda stored: stored.record.decided_at or stored.record.created_at)
    )


def is_granted(approval: ApprovalRecord) -> bool:
    """Approved by people, or by a rule that approves when no one decides."""
    return approval.status == "approved" or (
        approval.status == "expired" and approval.on_expiry == "approve"
    )


def lets_complete(approval: ApprovalRecord) -> bool:
    """Whether an execution may complete after it: granted, or rejected where a rejection is no
    failure.
    """
    is_rejected = approval.status == "rejected" or (
        approval.status == "expired" and approval.on_expiry == "reject"
    )
    return is_granted(approval) or (is_rejected and approval.on_reject == "complete")


def summary(approval: ApprovalRecord) -> JsonObject:
    """Who decided what and when, as it stands in an execution's results."""
    outcome = outcome_of_expiry(approval) if approval.status == "expired" else approval.status
    return {
        "approvalId": approval.id,
        "approved": is_granted(approval),
        "status": approval.status,
        "outcome": outcome,
        "decidedBy": approval.decided_by,
        "decidedAt": approval.decided_at,
        "decidedThrough": approval.decided_through,
        "comment": approval.comment,
        "decisions": msgspec.to_builtins(approval.decisions),
    }
