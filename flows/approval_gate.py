"""The approval gate: the execution waits for a person without holding a process.

The approval record is the truth. Prefect's suspended run is only how the flow waits: when it is resumed, the flow
starts from the top, finds its execution awaiting approval, comes straight back here and reads the record. What an
operator types into Prefect's form is a vote like any other; a bare resume says nothing, and it waits again.
"""

import logging
from contextlib import suppress
from datetime import timedelta
from typing import Any

from prefect.exceptions import Pause
from prefect.flow_runs import asuspend_flow_run
from prefect.input import RunInput

from blocks import approvals, executions, fault_points, signals
from blocks.approval_decisions import Refused, Vote
from blocks.auditing import audited
from blocks.cancelling import withdraw_approvals
from blocks.clock import utc_now
from blocks.contracts import identities, ids, rejections
from blocks.contracts.analysis import WORKFLOW
from blocks.contracts.approvals import Escalation, HistoryEntry
from blocks.contracts.audit import Act
from blocks.contracts.limits import SPAN_SECONDS_MAX
from blocks.contracts.opportunity_facts import Unknown
from blocks.contracts.records import ApprovalRecord, ExecutionRecord
from blocks.ports import NotFound, Stale, Stored, Unavailable
from flows.analysis import Analysis
from flows.claims import newest
from flows.runtime import Runtime

log = logging.getLogger(__name__)

GATE = "analysis"


class ApprovalInput(RunInput):
    """The form that an operator may fill in to resume the run in Prefect's UI. Left empty, nothing is decided."""

    approved: bool | None = None
    decided_by: str = ""
    comment: str = ""
    form: dict[str, Any] | None = None


async def pass_gate(world: Runtime, analysis: Analysis) -> None:
    """The execution has ended as the decision says; until there is one, the run is suspended (this raises `Pause`).

    If it is no longer this run's, it is left as it is, and nobody is asked about one that has ended.
    """
    try:
        await _pass(world, analysis)
    except Stale as stale:
        log.info("this run leaves the gate: %s", stale)
        now = await world.store.read(analysis.stored.record.tenant_id, ExecutionRecord, analysis.id)
        if now.record.is_terminal:
            await withdraw_approvals(world.store, now.record, "the execution has ended")


async def _pass(world: Runtime, analysis: Analysis) -> None:
    """Raises `Stale` if the execution was taken over, or ended by somebody else."""
    while True:
        asked = await asked_at_gate(world, analysis)
        verdict = approvals.verdict(asked)
        if verdict is None:
            # Who cancelled it before its approval was there has withdrawn nothing, and would not end this suspension.
            analysis.stored = await newest(world.store, analysis.stored)
            fault_points.reached("before-suspend")
            await _wait(world, next(stored for stored in asked if stored.record.status == "pending"))
            continue
        verdict = await approvals.announce(world.store, world.bus, verdict)  # told before what follows from it
        fault_points.reached("after-approval")
        try:
            await _end(world, analysis, verdict.record)
        except Stale:
            analysis.stored = await newest(world.store, analysis.stored)  # one more was asked for, just now
            continue
        await approvals.settle(world.store, verdict)
        if len(asked) > 1:
            await withdraw_approvals(world.store, analysis.stored.record, "another approval has decided")
        return


async def continue_alone(world: Runtime, analysis: Analysis) -> None:
    """The execution leaves its batch: a flow run of its own takes it to the gate, unless it is no longer this run's."""
    try:
        await _give_up(world, analysis)
    except Stale as stale:
        log.info("nothing is left to take to the gate: %s", stale)
        return
    record = analysis.stored.record
    await world.flow_runs.start(
        WORKFLOW,
        record.tenant_id,
        [record.id],
        key=ids.flow_run_key([record.id], f"approval-{record.attempt}"),
        name=f"approval of {record.subject}",
    )
    await world.bus.broadcast(signals.FLOW_RUNS_SCHEDULED, b"")


async def _give_up(world: Runtime, analysis: Analysis) -> None:
    while analysis.stored.record.flow_run_id is not None:
        try:
            analysis.stored = await executions.change(world.store, analysis.stored, flow_run_id=None)
        except Stale:
            analysis.stored = await newest(world.store, analysis.stored)  # one more was asked for, just now


# --- who is asked ----------------------------------------------------------------------------------------------------


async def asked_at_gate(world: Runtime, analysis: Analysis) -> list[Stored[ApprovalRecord]]:
    """What it waits for: an approval of its own if the tenant's rule demands one, and whatever others asked for.

    The platform has been told.
    """
    asked = await approvals.approvals_of(world.store, analysis.stored.record)
    if not asked or (analysis.rule_asks and not _own_in(asked, analysis.stored.record)):
        asked = [*asked, await approvals.open_approval(world.store, _approval_of(analysis))]
    return [await approvals.announce(world.store, world.bus, stored) for stored in asked]


def _own_in(asked: list[Stored[ApprovalRecord]], execution: ExecutionRecord) -> bool:
    """Whether the gate's own is among them, of this try or granted in an earlier one.

    Its id alone is a proof: anybody may write the gate's name and correlation id into an approval of theirs.
    """
    own = {ids.approval_id(execution.id, GATE, retry) for retry in range(execution.retries + 1)}
    return any(stored.record.id in own for stored in asked)


def _approval_of(analysis: Analysis) -> ApprovalRecord:
    record, rule, now = analysis.stored.record, analysis.rules.approval, utc_now()
    results = record.results or {}
    risk = results.get("risk", {})

    def after(seconds: float) -> timedelta:
        return timedelta(seconds=min(seconds, SPAN_SECONDS_MAX))  # a definition may be older than the bound

    return ApprovalRecord(
        id=ids.approval_id(record.id, GATE, record.retries),
        tenant_id=record.tenant_id,
        created_at=now,
        opportunity_id=record.subject_on_wire,
        subject=record.subject,
        risk_score=float(risk.get("riskScore") or 0),
        amount=0.0 if isinstance(analysis.amount, Unknown) else float(analysis.amount),
        amount_known=not isinstance(analysis.amount, Unknown),
        requested_at=now,
        requested_by=_requester(record),
        execution_id=record.id,
        retry=record.retries,
        workflow=record.workflow,
        gate=GATE,
        owner_id=analysis.owner_id,
        correlation_id=risk.get("evaluationId"),
        summary=_summary(analysis, risk),
        context=_context(analysis),
        form_schema=rule.form_schema,
        policy=rule.policy,
        due_at=now + after(rule.due_after_seconds) if rule.due_after_seconds else None,
        expires_at=now + after(rule.expires_after_seconds) if rule.expires_after_seconds else None,
        on_expiry=rule.on_expiry,
        on_reject=rule.on_reject,
        reminders=sorted(now + after(seconds) for seconds in rule.remind_after_seconds),
        escalations=[
            Escalation(at=now + after(one.after_seconds), approvers=one.approvers) for one in rule.escalations
        ],
        history=[HistoryEntry(what="requested", at=now, actor=WORKFLOW)],
    )


def _requester(record: ExecutionRecord) -> str:
    """Who caused the analysis, and so may not decide its approval; the workflow itself, if no event names a user."""
    return next((trigger.actor for trigger in record.triggers if trigger.actor), WORKFLOW)


def _summary(analysis: Analysis, risk: dict[str, Any]) -> str:
    risks = len(risk.get("detectedRisks") or [])
    score = risk.get("riskScore", "unknown")
    amount = analysis.amount
    states = f"unknown ({amount.reason})" if isinstance(amount, Unknown) else f"{amount:,.0f}"
    asked = (
        f"**Approve opportunity {analysis.stored.record.subject}?** Its risk score is {score}, with "
        f"{risks} detected risks, and its amount is {states}."
    )
    reasons = analysis.judgement.reasons
    return f"{asked} The rule cannot be judged: {'; '.join(reasons)}." if reasons else asked


def _context(analysis: Analysis) -> dict[str, Any]:
    """What the person must see, with the reasons why the rule could not be judged."""
    results = analysis.stored.record.results or {}
    context: dict[str, Any] = {key: results[key] for key in ("risk", "forecast", "recommendations") if key in results}
    reasons = analysis.judgement.reasons
    return {**context, "reasons": list(reasons)} if reasons else context


# --- waiting ---------------------------------------------------------------------------------------------------------


async def _wait(world: Runtime, asked: Stored[ApprovalRecord]) -> None:
    """Somebody resumed the run, and if they said something, it was taken as a vote. Until then, raises `Pause`."""
    said = await _suspended(world, asked.record)
    if said.approved is not None:
        await _take(world, asked.record, said)
    else:
        log.info("approval %s: the run was resumed without a word; it looks at the record", asked.record.id)
    # Prefect gives the same answer to the same key for ever: the next wait is another one.
    await approvals.change(world.store, asked.record.tenant_id, asked.record.id, _waited(asked.record.waits))


async def _suspended(world: Runtime, approval: ApprovalRecord) -> ApprovalInput:
    key = approval.id if approval.waits == 0 else f"{approval.id}-{approval.waits}"
    try:
        return await asuspend_flow_run(wait_for_input=ApprovalInput, key=key, timeout=None)
    except Pause:
        # Who decided between our reading and this suspension found nothing to resume.
        with suppress(Unavailable, NotFound):
            now = await world.store.read(approval.tenant_id, ApprovalRecord, approval.id)
            await approvals.resume(world.store, world.bus, world.flow_runs, now.record)
        raise


async def _take(world: Runtime, approval: ApprovalRecord, said: ApprovalInput) -> None:
    """The operator's answer is on the record, or the log says why it does not count."""
    try:
        actor = _decider(said.decided_by, is_trusted=world.settings.approvals.trust_prefect_ui)
    except identities.NoIdentity as problem:
        log.warning("approval %s: the answer given in Prefect does not count: decided_by %s", approval.id, problem)
        return
    vote = Vote(
        actor=actor,
        outcome="approved" if said.approved else "rejected",
        channel="prefect-ui",
        reason=said.comment or None,
        form=said.form,
    )
    act = Act(
        action="approval.decide",
        actor=actor,
        credential="prefect-ui",
        channel="prefect-ui",
        target=approval.id,
    )
    try:
        async with audited(world.store, approval.tenant_id, act) as store:
            await approvals.record_vote(store, approval.tenant_id, approval.id, vote)
    except Refused as refusal:
        log.warning("approval %s: the answer given in Prefect does not count: %s", approval.id, refusal)


def _decider(stated: str, *, is_trusted: bool) -> str:
    """Who decides. Prefect knows no users: unless its UI is trusted, the name is a claim. Raises `NoIdentity`."""
    user = identities.user_id(stated)
    return user if is_trusted else identities.claimed(user)


def _waited(times: int) -> approvals.Change:
    def waited(approval: ApprovalRecord) -> ApprovalRecord:
        return approvals.with_bookkeeping(approval, waits=max(approval.waits, times + 1))

    return waited


# --- the end ---------------------------------------------------------------------------------------------------------


async def _end(world: Runtime, analysis: Analysis, approval: ApprovalRecord) -> None:
    results: dict[str, Any] = {**(analysis.stored.record.results or {}), "approval": approvals.summary(approval)}
    reason = _reason_to_fail(approval)
    if reason is None:
        if analysis.stored.record.status == "awaiting_approval":
            analysis.stored = await executions.move(
                world.store, analysis.stored, "running", results=results, held_since=utc_now()
            )
        ended = await executions.complete(world.store, analysis.stored)
    else:
        code, error = reason
        ended = await executions.fail(world.store, analysis.stored, code, error, results=results)
    await executions.announce(world.store, world.bus, [ended])


def _reason_to_fail(approval: ApprovalRecord) -> tuple[str, str] | None:
    """Code and message; None: it completes."""
    if approvals.is_granted(approval):
        return None
    if approval.status == "cancelled":
        return rejections.APPROVAL_CANCELLED, f"the approval was cancelled by {approval.decided_by}"
    expired = approval.status == "expired"
    if expired and approval.on_expiry != "reject":
        return rejections.APPROVAL_EXPIRED, "nobody decided in time"
    if approval.on_reject == "complete":
        return None
    return rejections.APPROVAL_REJECTED, "rejected: nobody decided in time" if expired else (
        f"rejected by {approval.decided_by}"
    )
