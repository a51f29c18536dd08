"""Deciding an approval, and what follows from it, by what it was asked for.

At a gate, the execution awaits the approval in a suspended run, which goes on. A workflow that asks
by prompts (the registry's `has_prompts`) has none: its executions rest, and an answer is work for
them like any other.
"""

import logging

from blocks.approvals import lifecycle
from blocks.approvals.decisions import Vote
from blocks.approvals.questions import Ask
from blocks.claims.prompts import settle_prompt
from blocks.contracts import workflows
from blocks.contracts.records import ApprovalRecord
from blocks.ports import EventBus, FlowRuns, NotFound, RecordStore, Stored, Unavailable
from blocks.processes import fault_points

log = logging.getLogger(__name__)


async def decide(
    store: RecordStore,
    bus: EventBus,
    flow_runs: FlowRuns,
    tenant_id: str,
    approval_id: str,
    vote: Vote,
    *,
    version: int | None = None,
) -> ApprovalRecord:
    """The vote is on the record, and what follows from it is under way. Raises as `record_vote`
    does.
    """
    stored = await lifecycle.record_vote(store, tenant_id, approval_id, vote, version=version)
    fault_points.reached("after-decision")
    return await follow_up(store, bus, flow_runs, stored)


async def ask_back(
    store: RecordStore,
    bus: EventBus,
    flow_runs: FlowRuns,
    tenant_id: str,
    approval_id: str,
    ask: Ask,
    *,
    version: int | None = None,
) -> ApprovalRecord:
    """The question is on the record, and published. Raises as `decide` does."""
    stored = await lifecycle.record_question(store, tenant_id, approval_id, ask, version=version)
    return await follow_up(store, bus, flow_runs, stored)


async def follow_up(
    store: RecordStore, bus: EventBus, flow_runs: FlowRuns, stored: Stored[ApprovalRecord]
) -> ApprovalRecord:
    """Tried: published, and what waits for it goes on. The reconciler repeats what failed."""
    try:
        announced = await lifecycle.announce(store, bus, stored)
        if not await settle_at_once(store, bus, announced):
            await lifecycle.resume(store, bus, flow_runs, stored.record)
    except (Unavailable, NotFound) as error:
        log.warning(
            "approval %s is %s; what follows comes later: %s",
            stored.record.id,
            stored.record.status,
            error,
        )
    return stored.record


async def settle_at_once(store: RecordStore, bus: EventBus, stored: Stored[ApprovalRecord]) -> bool:
    """All that follows from it is done; False: it is pending, or a run may wait for it.

    Raises `Unavailable`, `NotFound`.
    """
    approval = stored.record
    if approval.status == "pending" or not workflows.has_prompts(approval.workflow):
        return False
    await settle_prompt(store, bus, approval)
    await lifecycle.settle(store, stored)
    return True
