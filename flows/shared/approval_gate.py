"""The approval gate: the execution waits for a person without holding a process.

The approval record is the truth. Prefect's suspended run is only how the flow waits: when it is
resumed, the flow starts from the top, finds its execution awaiting approval, comes straight back
here and reads the record. What an operator types into Prefect's form is a vote like any other; a
resume without a decision changes nothing, and the run suspends again.
"""

import logging
from contextlib import suppress
from typing import Any, Protocol

from prefect.exceptions import Pause
from prefect.flow_runs import asuspend_flow_run
from prefect.input import RunInput

from blocks import signals
from blocks.actions.cancelling import withdraw_approvals
from blocks.approvals import lifecycle
from blocks.approvals.decisions import Refused, Vote
from blocks.audit.recording import audited
from blocks.clock import utc_now
from blocks.contracts import identities, ids, rejections
from blocks.contracts.records import ApprovalRecord, ExecutionRecord
from blocks.contracts.records.audit import Act
from blocks.executions import transitions
from blocks.executions.run_names import approval_run_name
from blocks.ports import NotFound, Stale, Stored, Unavailable
from blocks.processes import fault_points
from flows.shared.claims import newest
from flows.shared.runtime import Runtime

log = logging.getLogger(__name__)


class Gated(Protocol):
    """A gate's input: an execution that this run holds, and the approval to request."""

    stored: Stored[ExecutionRecord]

    @property
    def rule_asks(self) -> bool:
        """Whether it needs an approval of its own, besides those that others have requested."""

    def approval(self) -> ApprovalRecord:
        """The approval to request, not stored yet; its id is `own_approval_id`."""


def own_approval_id(execution: ExecutionRecord, retry: int | None = None) -> str:
    """Of the approval that the gate itself requests, in this try or in another one."""
    return ids.approval_id(execution.id, _GATE, execution.retries if retry is None else retry)


_GATE = "analysis"
"""Part of the ids of all gates' approvals; unchanged since there was only one workflow."""


class ApprovalInput(RunInput):
    """The form that an operator may fill in to resume the run in Prefect's UI. Left empty, nothing
    is decided.
    """

    approved: bool | None = None
    decided_by: str = ""
    comment: str = ""
    form: dict[str, Any] | None = None


async def pass_gate(context: Runtime, gated: Gated) -> None:
    """The execution has ended as decided; until then, this raises `Pause` and the run is suspended.

    An execution that another run holds now is left as it is. Approvals of one that has ended are
    withdrawn.
    """
    try:
        await _pass(context, gated)
    except Stale as stale:
        log.info("this run leaves the gate: %s", stale)
        now = await context.store.read(
            gated.stored.record.tenant_id, ExecutionRecord, gated.stored.record.id
        )
        if now.record.is_terminal:
            await withdraw_approvals(context.store, now.record, "the execution has ended")


async def _pass(context: Runtime, gated: Gated) -> None:
    """Raises `Stale` if the execution was taken over, or ended by another process."""
    while True:
        asked = await asked_at_gate(context, gated)
        verdict = lifecycle.verdict(asked)
        if verdict is None:
            # Who cancelled it before its approval was there has withdrawn nothing, and would not
            # end this suspension.
            gated.stored = await newest(context.store, gated.stored)
            fault_points.reached("before-suspend")
            await _wait(
                context, next(stored for stored in asked if stored.record.status == "pending")
            )
            continue
        # before its effects
        verdict = await lifecycle.announce(context.store, context.bus, verdict)
        fault_points.reached("after-approval")
        try:
            await _end(context, gated, verdict.record)
        except Stale:
            gated.stored = await newest(context.store, gated.stored)  # one more was requested
            continue
        await lifecycle.settle(context.store, verdict)
        if len(asked) > 1:
            await withdraw_approvals(
                context.store, gated.stored.record, "another approval has decided"
            )
        return


async def continue_alone(context: Runtime, gated: Gated) -> None:
    """The execution leaves its batch: a flow run of its own takes it to the gate, unless it is no
    longer this run's.
    """
    try:
        await _give_up(context, gated)
    except Stale as stale:
        log.info("nothing is left to take to the gate: %s", stale)
        return
    record = gated.stored.record
    await context.flow_runs.start(
        record.workflow,
        record.tenant_id,
        [record.id],
        key=ids.flow_run_key([record.id], f"approval-{record.attempt}"),
        name=approval_run_name(record.workflow, record.id, record.subject),
    )
    await context.bus.broadcast(signals.FLOW_RUNS_SCHEDULED, b"")


async def _give_up(context: Runtime, gated: Gated) -> None:
    while gated.stored.record.flow_run_id is not None:
        try:
            gated.stored = await transitions.change(context.store, gated.stored, flow_run_id=None)
        except Stale:
            gated.stored = await newest(context.store, gated.stored)  # one more was requested


# --- which approvals it waits for -----------------------------------------------------------------


async def asked_at_gate(context: Runtime, gated: Gated) -> list[Stored[ApprovalRecord]]:
    """The approvals it waits for: its own if the tenant's rule demands one, and others' requests.

    All of them have been announced.
    """
    asked = await lifecycle.approvals_of(context.store, gated.stored.record)
    if not asked or (gated.rule_asks and not _own_in(asked, gated.stored.record)):
        asked = [*asked, await lifecycle.open_approval(context.store, gated.approval())]
    return [await lifecycle.announce(context.store, context.bus, stored) for stored in asked]


def _own_in(asked: list[Stored[ApprovalRecord]], execution: ExecutionRecord) -> bool:
    """Whether the gate's own is among them, of this try or granted in an earlier one.

    Only its id is a proof: any caller may write the gate's name and correlation id into an approval
    of theirs.
    """
    own = {own_approval_id(execution, retry) for retry in range(execution.retries + 1)}
    return any(stored.record.id in own for stored in asked)


# --- waiting --------------------------------------------------------------------------------------


async def _wait(context: Runtime, asked: Stored[ApprovalRecord]) -> None:
    """Resumed; a decision in the run's input is taken as a vote. Until then, raises `Pause`."""
    typed = await _suspended(context, asked.record)
    if typed.approved is not None:
        await _take(context, asked.record, typed)
    else:
        log.info(
            "approval %s: the run was resumed without a word; it looks at the record",
            asked.record.id,
        )
    # Prefect gives the same answer to the same key for ever: the next wait is another one.
    await lifecycle.change(
        context.store, asked.record.tenant_id, asked.record.id, _waited(asked.record.waits)
    )


async def _suspended(context: Runtime, approval: ApprovalRecord) -> ApprovalInput:
    key = approval.id if approval.waits == 0 else f"{approval.id}-{approval.waits}"
    try:
        return await asuspend_flow_run(wait_for_input=ApprovalInput, key=key, timeout=None)
    except Pause:
        # Who decided between our reading and this suspension found nothing to resume.
        with suppress(Unavailable, NotFound):
            now = await context.store.read(approval.tenant_id, ApprovalRecord, approval.id)
            await lifecycle.resume(context.store, context.bus, context.flow_runs, now.record)
        raise


async def _take(context: Runtime, approval: ApprovalRecord, typed: ApprovalInput) -> None:
    """The operator's answer is on the record, or the log states why it does not count."""
    try:
        actor = _decider(typed.decided_by, is_trusted=context.settings.approvals.trust_prefect_ui)
    except identities.NoIdentity as problem:
        log.warning(
            "approval %s: the answer given in Prefect does not count: decided_by %s",
            approval.id,
            problem,
        )
        return
    vote = Vote(
        actor=actor,
        outcome="approved" if typed.approved else "rejected",
        channel="prefect-ui",
        reason=typed.comment or None,
        form=typed.form,
    )
    act = Act(
        action="approval.decide",
        actor=actor,
        credential="prefect-ui",
        channel="prefect-ui",
        target=approval.id,
    )
    try:
        async with audited(context.store, approval.tenant_id, act) as store:
            await lifecycle.record_vote(store, approval.tenant_id, approval.id, vote)
    except Refused as refusal:
        log.warning(
            "approval %s: the answer given in Prefect does not count: %s", approval.id, refusal
        )


def _decider(stated: str, *, is_trusted: bool) -> str:
    """Who decides. Prefect knows no users: unless its UI is trusted, the name is a claim. Raises
    `NoIdentity`.
    """
    user = identities.user_id(stated)
    return user if is_trusted else identities.claimed(user)


def _waited(times: int) -> lifecycle.Change:
    def waited(approval: ApprovalRecord) -> ApprovalRecord:
        return lifecycle.with_bookkeeping(approval, waits=max(approval.waits, times + 1))

    return waited


# --- the end --------------------------------------------------------------------------------------


async def _end(context: Runtime, gated: Gated, approval: ApprovalRecord) -> None:
    results: dict[str, Any] = {
        **(gated.stored.record.results or {}),
        "approval": lifecycle.summary(approval),
    }
    reason = _reason_to_fail(approval)
    if reason is None:
        if gated.stored.record.status == "awaiting_approval":
            gated.stored = await transitions.move(
                context.store, gated.stored, "running", results=results, held_since=utc_now()
            )
        ended = await transitions.complete(context.store, gated.stored)
    else:
        code, error = reason
        ended = await transitions.fail(context.store, gated.stored, code, error, results=results)
    await transitions.announce(context.store, context.bus, [ended])


def _reason_to_fail(approval: ApprovalRecord) -> tuple[str, str] | None:
    """Code and message; None: it completes."""
    if lifecycle.is_granted(approval):
        return None
    if approval.status == "cancelled":
        return rejections.APPROVAL_CANCELLED, f"the approval was cancelled by {approval.decided_by}"
    expired = approval.status == "expired"
    if expired and approval.on_expiry != "reject":
        return rejections.APPROVAL_EXPIRED, "no one decided in time"
    if approval.on_reject == "complete":
        return None
    return rejections.APPROVAL_REJECTED, "rejected: no one decided in time" if expired else (
        f"rejected by {approval.decided_by}"
    )
