"""The approval gate: the execution waits for a person without holding a process.

The approval record is the truth. Prefect's suspended run is only how the flow waits: when it is
resumed, the flow starts from the top, finds its execution awaiting approval, comes straight back
here and reads the record. What an operator types into Prefect's form is a vote like any other
(`gate_wait`); a resume without a decision changes nothing, and the run suspends again.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Protocol

from blocks import signals
from blocks.actions.cancelling import withdraw_approvals
from blocks.approvals import lifecycle
from blocks.clock import utc_now
from blocks.contracts import ids, rejections
from blocks.contracts.records import ApprovalRecord, ExecutionRecord
from blocks.executions import transitions
from blocks.executions.run_names import approval_run_name
from blocks.ports import NotFound, Stale, Stored, Unavailable, UnreadableRecord
from blocks.processes import fault_points
from flows.shared import gate_wait
from flows.shared.admission import sliced
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
    refusal: str | None = None
    while True:
        asked = await asked_at_gate(context, gated)
        verdict = lifecycle.verdict(asked)
        if verdict is None:
            # Who cancelled it before its approval was there has withdrawn nothing, and would not
            # end this suspension.
            gated.stored = await _awaiting(context, gated.stored)
            fault_points.reached("before-suspend")
            pending = next(one.record for one in asked if one.record.status == "pending")
            refusal = await gate_wait.wait(context, pending, refusal)
            continue
        # before its effects
        verdict = await lifecycle.announce(context.store, context.bus, verdict)
        fault_points.reached("after-approval")
        await gate_wait.notice_late_answer(verdict)
        try:
            await _end(context, gated, verdict.record)
        except Stale:
            gated.stored = await newest(context.store, gated.stored)  # one more was requested
            continue
        if len(asked) > 1:
            await withdraw_approvals(
                context.store, gated.stored.record, "another approval has decided"
            )
        await transitions.announce(context.store, context.bus, [gated.stored])
        await lifecycle.settle(context.store, verdict)
        return


async def _awaiting(context: Runtime, held: Stored[ExecutionRecord]) -> Stored[ExecutionRecord]:
    """It awaits approval: only then a decision resumes its run. Raises `Stale` as `newest` does.

    One that was about to end is still `running` here if another approval was requested meanwhile.
    """
    while (held := await newest(context.store, held)).record.status == "running":
        with suppress(Stale):  # one more was requested
            return await transitions.move(context.store, held, "awaiting_approval")
    return held


async def continue_alone(context: Runtime, gated: Sequence[Gated]) -> None:
    """The executions leave their batch: a flow run of its own takes each to the gate, unless it is
    no longer this run's.

    If Prefect makes none, the reconciler does so later: the batch goes on.
    """
    for part in sliced(gated):
        await asyncio.gather(*(_continue_alone(context, one) for one in part))


async def _continue_alone(context: Runtime, gated: Gated) -> None:
    try:
        await _give_up(context, gated)
    except (Stale, NotFound) as problem:
        log.info("nothing is left to take to the gate: %s", problem)
        return
    except UnreadableRecord as error:
        log.error("not taken to its gate: %s", error)
        return
    record = gated.stored.record
    try:
        run_id = await context.flow_runs.start(
            record.workflow,
            record.tenant_id,
            [record.id],
            key=ids.flow_run_key([record.id], f"approval-{record.attempt}"),
            name=approval_run_name(record.workflow, record.id, record.subject),
        )
    except (Unavailable, NotFound) as problem:
        log.warning(
            "execution %s waits for the reconciler to take it to its gate: %s", record.id, problem
        )
        return
    log.info("execution %s goes to its gate in a run of its own", record.id)
    await context.bus.broadcast(signals.FLOW_RUNS_SCHEDULED, run_id.encode())


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
        own = await lifecycle.open_approval(
            context.store, gated.approval(), context.settings.server
        )
        asks = own.record.summary.replace("*", "")
        log.info("approval %s is asked: %s", own.record.id, asks)
        asked = [*asked, own]
    return [await lifecycle.announce(context.store, context.bus, stored) for stored in asked]


def _own_in(asked: list[Stored[ApprovalRecord]], execution: ExecutionRecord) -> bool:
    """Whether the gate's own is among them, of this try or granted in an earlier one.

    Only its id is a proof: any caller may write the gate's name and correlation id into an approval
    of theirs.
    """
    own = {own_approval_id(execution, retry) for retry in range(execution.retries + 1)}
    return any(stored.record.id in own for stored in asked)


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
                context.store, gated.stored, "running", held_since=utc_now()
            )
        gated.stored = await transitions.complete(context.store, gated.stored, results=results)
    else:
        code, error = reason
        gated.stored = await transitions.fail(
            context.store, gated.stored, code, error, results=results
        )
    _log_end(gated.stored.record, approval)


def _log_end(execution: ExecutionRecord, approval: ApprovalRecord) -> None:
    through = f" through {approval.decided_through}" if approval.decided_through else ""
    by = f" by {approval.decided_by}" if approval.decided_by else ""
    log.info("approval %s is %s%s%s", approval.id, approval.status, by, through)
    if execution.status == "failed":
        log.warning(
            "execution %s: has failed (%s): %s", execution.id, execution.error_code, execution.error
        )
    else:
        log.info("execution %s: has ended as %s", execution.id, execution.status)


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
