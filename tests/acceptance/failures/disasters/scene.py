"""What the disasters have in common: where executions are, and how a run of ours is had."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from blocks import deciding
from blocks.adapters.prefect.flow_runs import PrefectFlowRuns
from blocks.approvals.decisions import Vote
from blocks.contracts import ids
from blocks.contracts.records import ExecutionRecord
from blocks.contracts.states import ExecutionStatus
from blocks.ports import Message
from blocks.queries import every
from tests.support.analyses import execution_id_of, seen
from tests.support.factories import A_TENANT
from tests.support.system.forking import fork
from tests.support.system.orchestra import Orchestra

RECOVERED_WITHIN_SECONDS = 240.0


async def all_are(
    parts: Orchestra,
    events: Sequence[Message],
    status: ExecutionStatus,
    *,
    within_seconds: float = RECOVERED_WITHIN_SECONDS,
) -> None:
    """The executions of all these events have come to this status."""
    wanted = {execution_id_of(event) for event in events}

    async def are() -> bool:
        found = every(parts.store, A_TENANT, ExecutionRecord, {"status": status})
        return wanted <= {stored.record.id async for stored in found}

    await seen(parts, are, within_seconds=within_seconds)


async def all_suspended(parts: Orchestra, flow_runs: PrefectFlowRuns) -> None:
    """Each execution that awaits a person does so in a run that Prefect has as suspended."""

    async def are() -> bool:
        paused = {run.id for run in await flow_runs.list_runs(states=("paused",))}
        found = every(parts.store, A_TENANT, ExecutionRecord, {"status": "awaiting_approval"})
        return {stored.record.flow_run_id async for stored in found} <= paused

    await seen(parts, are, within_seconds=RECOVERED_WITHIN_SECONDS)


async def approve(parts: Orchestra, flow_runs: PrefectFlowRuns, events: Sequence[Message]) -> None:
    vote = Vote(actor="ann", outcome="approved", channel="api")
    for event in events:
        approval_id = approval_id_of(event)
        await deciding.decide(parts.store, parts.bus, flow_runs, A_TENANT, approval_id, vote)


def approval_id_of(event: Message) -> str:
    return ids.approval_id(execution_id_of(event), "analysis")


async def orchestrator(parts: Orchestra, *arguments: str) -> str:
    """What the command printed; fails if it does."""
    log = Path(parts.environment["ORCHESTRATOR_DATA_DIR"]) / f"{arguments[0]}.log"
    log.unlink(missing_ok=True)
    command = list(arguments)
    code = await asyncio.to_thread(lambda: fork(command, parts.environment, log).wait())
    assert code == 0, log.read_text()
    return log.read_text()


def in_words(figures: dict[str, float]) -> str:
    """The line of figures that docs/disasters.md quotes."""
    return ", ".join(f"{name} {seconds:.0f} s" for name, seconds in figures.items())
