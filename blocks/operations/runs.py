"""Runs as the platform's operations service shows them: an execution with the results of its steps.

Source of names and ids: `{runId, workflowId, status, startedAt, completedAt, currentStep,
stepResults, error}`; a run has no state before `running` there, and no end but completed and
failed.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal
from uuid import uuid4

import msgspec

from blocks.actions.retrying import notify_dispatchers
from blocks.actions.starting import open_execution
from blocks.contracts.events import JsonObject
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.operations import OPERATIONS, Operation, operation_named
from blocks.contracts.operations.endings import run_id_of
from blocks.contracts.reading.uuids import canonical_uuid
from blocks.contracts.records import ExecutionRecord, StepRecord
from blocks.executions.steps import by_step, step_records
from blocks.operations import starting
from blocks.ports import Between, EventBus, NotFound, Query, RecordStore

RunStatus = Literal["running", "completed", "failed"]

_STATUS: Mapping[str, RunStatus] = {
    "completed": "completed",
    "failed": "failed",
    "cancelled": "failed",
}


class UnknownOperation(LookupError):
    """No operation has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"Workflow not found: {name[:80]}")


class RunNotFound(NotFound):
    """There is no such run."""


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One run of an operation."""

    execution: ExecutionRecord
    steps: Mapping[str, StepRecord]
    """Those that have ended."""

    @property
    def id(self) -> str:
        return run_id_of(self.execution)

    @property
    def status(self) -> RunStatus:
        return _STATUS.get(self.execution.status, "running")

    @property
    def started_at(self) -> datetime:
        return self.execution.started_at or self.execution.created_at

    @property
    def current_step(self) -> str | None:
        """The step that is at work or failed; None of a run that is completed."""
        operation = operation_named(self.execution.workflow)
        if self.status == "completed" or operation is None:
            return None
        if self.execution.failed_step:
            return self.execution.failed_step
        return next((step.id for step in operation.steps if step.id not in self.steps), None)

    @property
    def step_results(self) -> JsonObject:
        """By step, as far as they have ended."""
        return {
            id: step.result if step.result is not None else {"success": False, "error": step.error}
            for id, step in self.steps.items()
        }


def known_operation(name: str) -> Operation:
    """Raises `UnknownOperation`."""
    operation = operation_named(name)
    if operation is None:
        raise UnknownOperation(name)
    return operation


async def trigger(
    store: RecordStore,
    bus: EventBus,
    operation: Operation,
    input: JsonObject,
    key: str | None = None,
    actor: str | None = None,
) -> Run:
    """The run of this request, durable and waiting for dispatch; the same key is the same request.

    Raises `KeyReused`, `Unavailable`.
    """
    request = starting.by_hand(operation, input, key or str(uuid4()))
    request = msgspec.structs.replace(request, actor=actor)
    execution, is_new = await open_execution(store, SYSTEM_TENANT, request)
    if is_new:
        await notify_dispatchers(bus, execution)
    return Run(execution=execution, steps={})


async def newest_runs(
    store: RecordStore, operations: Sequence[Operation] = OPERATIONS, *, limit: int
) -> list[Run]:
    """Newest first, at most 1,000."""
    of_them = {"workflow": tuple(operation.id for operation in operations)}
    page = await store.query(
        SYSTEM_TENANT, Query(ExecutionRecord, of_them, limit=limit, skips_unreadable=True)
    )
    return await _with_steps(store, [stored.record for stored in page.items])


async def find_run(store: RecordStore, id: str) -> Run:
    """By the id of the run, or of its execution. Raises `RunNotFound`."""
    found = await (_by_execution(store, id) if canonical_uuid(id) else _by_run(store, id))
    if found is None or operation_named(found.workflow) is None:
        raise RunNotFound(f"no run {id[:80]}")
    [run] = await _with_steps(store, [found])
    return run


async def _by_execution(store: RecordStore, id: str) -> ExecutionRecord | None:
    try:
        return (await store.read(SYSTEM_TENANT, ExecutionRecord, canonical_uuid(id) or id)).record
    except NotFound:
        return None


async def _by_run(store: RecordStore, id: str) -> ExecutionRecord | None:
    """A run's id has the millisecond at which it was recorded."""
    match id.split("_"):
        case ["run", stated, _] if stated.isascii() and stated.isdigit() and len(stated) <= 14:
            at = datetime.fromtimestamp(int(stated) / 1000, UTC)
        case _:
            return None
    near = {"created_at": Between(since=at, until=at + timedelta(milliseconds=2))}
    page = await store.query(
        SYSTEM_TENANT, Query(ExecutionRecord, near, limit=1000, skips_unreadable=True)
    )
    found = (stored.record for stored in page.items)
    return next((record for record in found if run_id_of(record) == id), None)


async def _with_steps(store: RecordStore, executions: Sequence[ExecutionRecord]) -> list[Run]:
    steps = await step_records(store, SYSTEM_TENANT, [one.id for one in executions])
    return [Run(execution=one, steps=_in_order(one, steps)) for one in executions]


def _in_order(execution: ExecutionRecord, steps: Sequence[StepRecord]) -> dict[str, StepRecord]:
    ended = by_step(execution, steps)
    return dict(sorted(ended.items(), key=lambda one: one[1].completed_at))
