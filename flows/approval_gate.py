"""The approval gate: the execution waits for a person without holding a process.

The approval record is the truth. Prefect's suspended run is only how the flow waits: when it is resumed, the flow
starts from the top, finds its execution awaiting approval, and comes straight back here.
"""

from typing import Any

from prefect.flow_runs import asuspend_flow_run
from prefect.input import RunInput

from blocks import approvals, executions, signals
from blocks.clock import utc_now
from blocks.contracts import ids, rejections
from blocks.contracts.analysis import WORKFLOW
from blocks.contracts.records import ApprovalRecord
from blocks.ports import Stored
from flows.analysis import Analysis
from flows.runtime import Runtime

GATE = "analysis"


class ApprovalInput(RunInput):
    """The form that an operator fills in to resume the run in Prefect's UI."""

    approved: bool
    decided_by: str
    comment: str = ""


async def pass_gate(world: Runtime, analysis: Analysis) -> None:
    """The execution has ended as the decision says; until there is one, the run is suspended (this raises `Pause`)."""
    approval = await approvals.open_approval(world.store, _approval_of(analysis))
    if approval.record.status == "pending":
        await approvals.announce_request(world.bus, approval.record)
        said = await asuspend_flow_run(wait_for_input=ApprovalInput, key=approval.record.id, timeout=None)
        approval = await approvals.decide(
            world.store,
            approval,
            approved=said.approved,
            decided_by=said.decided_by,
            comment=said.comment,
            through="prefect-ui",
        )
    await approvals.announce_decision(world.bus, approval.record)
    await _end(world, analysis, approval)


async def continue_alone(world: Runtime, analysis: Analysis) -> None:
    """The execution leaves its batch: a flow run of its own takes it to the gate."""
    analysis.stored = await executions.change(world.store, analysis.stored, flow_run_id=None)
    record = analysis.stored.record
    await world.flow_runs.start(
        WORKFLOW,
        record.tenant_id,
        [record.id],
        key=ids.flow_run_key([record.id], f"approval-{record.attempt}"),
        name=f"approval of {record.subject}",
    )
    await world.bus.broadcast(signals.FLOW_RUNS_SCHEDULED, b"")


def _approval_of(analysis: Analysis) -> ApprovalRecord:
    record, now = analysis.stored.record, utc_now()
    results = record.results or {}
    return ApprovalRecord(
        id=ids.approval_id(record.id, GATE),
        tenant_id=record.tenant_id,
        created_at=now,
        opportunity_id=record.subject,
        risk_score=float(results.get("risk", {}).get("riskScore") or 0),
        amount=analysis.amount,
        requested_at=now,
        execution_id=record.id,
        workflow=record.workflow,
        gate=GATE,
        correlation_id=results.get("risk", {}).get("evaluationId"),
    )


async def _end(world: Runtime, analysis: Analysis, approval: Stored[ApprovalRecord]) -> None:
    decision = approvals.summary(approval.record)
    results: dict[str, Any] = {**(analysis.stored.record.results or {}), "approval": decision}
    if approval.record.status == "approved":
        running = await executions.move(world.store, analysis.stored, "running", results=results)
        ended = await executions.complete(world.store, running)
    else:
        error = f"rejected by {approval.record.decided_by}"
        ended = await executions.fail(
            world.store, analysis.stored, rejections.APPROVAL_REJECTED, error, results=results
        )
    await executions.announce(world.store, world.bus, [ended])
