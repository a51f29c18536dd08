"""How runs of operations end: in the records, in Prefect and on the exchange."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import FlowRun

from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.operations import Operation
from blocks.contracts.records import ExecutionRecord
from blocks.executions.steps import step_records
from tests.support.operations.prefect_runs import execution_of
from tests.support.system.ledger import Ledger
from tests.support.system.orchestra import Orchestra
from tests.support.waiting import eventually


@contextmanager
def worker_of(parts: Orchestra, *before: str) -> Iterator[subprocess.Popen[bytes]]:
    """A worker in a process group of its own; `before` stands before its command."""
    with (Path(parts.settings.data_dir) / "worker.log").open("ab") as log:
        process = subprocess.Popen(
            [*before, sys.executable, "-m", "deployments.cli", "worker"],
            env=parts.worker.environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def all_ended(
    parts: Orchestra, runs: Mapping[Operation, FlowRun]
) -> dict[str, ExecutionRecord]:
    """The execution of each run, ended, by operation."""

    async def have_ended() -> bool:
        async with get_client() as client:
            found = [await client.read_flow_run(run.id) for run in runs.values()]
        return all(run.state and run.state.is_final() for run in found)

    try:
        await eventually(have_ended, within_seconds=240, every_seconds=1)
    except AssertionError:
        raise AssertionError(parts.logs()) from None
    return {one.id: await execution_of(parts, one, run) for one, run in runs.items()}


async def attempts(operation: Operation, execution: ExecutionRecord, step: str) -> int:
    """How often the step was tried, as Prefect shows it."""
    run = FlowRunFilter(id=FlowRunFilterId(any_=[UUID(execution.flow_run_id or "")]))

    async def counted() -> int:
        async with get_client() as client:
            tasks = await client.read_task_runs(flow_run_filter=run)
        task = {one.name: one for one in tasks}.get(operation.step(step).title)
        return task.run_count if task and task.state and task.state.is_final() else 0

    return await eventually(counted, within_seconds=30)


async def states(execution: ExecutionRecord) -> list[str]:
    """The names of the states of its run, in their order."""
    async with get_client() as client:
        found = await client.read_flow_run_states(UUID(execution.flow_run_id or ""))
    return [state.name or "" for state in sorted(found, key=lambda one: one.timestamp)]


async def recorded(parts: Orchestra, execution: ExecutionRecord) -> dict[str, str]:
    """The status of each step that has ended."""
    found = await step_records(parts.store, SYSTEM_TENANT, [execution.id])
    return {one.step: one.status for one in found}


async def announced(ledger: Ledger, execution: ExecutionRecord) -> list[tuple[str, str | None]]:
    """The events of its end, once there is one: type and failed step."""

    async def seen() -> list[tuple[str, str | None]]:
        return [
            (one["type"], one["data"].get("failedStep"))
            for one in ledger.of("workflow.operation.completed", "workflow.operation.failed")
            if one["data"]["executionId"] == execution.id
        ]

    return await eventually(seen)
