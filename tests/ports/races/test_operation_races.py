"""Runs of one operation that begin at the same moment, on both stores: at most one is at work."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from blocks.actions.retrying import reopen_execution
from blocks.actions.starting import open_execution
from blocks.contracts.events import JsonObject
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.operations import Operation, Step
from blocks.contracts.operations.catalogue import LOG_ROTATION, USER_ONBOARDING
from blocks.contracts.records import ExecutionRecord
from blocks.operations import starting
from blocks.ports import RecordStore
from blocks.services import open_bus
from blocks.settings import load_settings
from flows.shared.claims import claim
from flows.shared.operations import operation_run
from flows.shared.operations.opening import SKIPPED, execution_of_tick
from flows.shared.operations.operation_run import Failed, Given, OperationRun, Outcome, Over
from flows.shared.run_end import RunEnds
from flows.shared.runtime import Runtime
from flows.shared.tick import Tick
from tests.ports.races.due_ticks import due_ticks
from tests.support.factories import new_id
from tests.support.flow_runs import RememberedFlowRuns
from tests.support.stores import Uneven

RUNS = 12
ROUNDS = 5


@pytest.fixture
async def context(
    store: RecordStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Runtime]:
    monkeypatch.setattr(operation_run, "_LOOK_SECONDS", 0.01)
    settings = load_settings({"ORCHESTRATOR_DATA_DIR": str(tmp_path)})
    async with open_bus(settings, "test") as bus:
        yield Runtime(settings, bus, Uneven(store), RememberedFlowRuns())


class Room:
    """Where the work of a step is done; it knows how many were in it at once."""

    def __init__(self) -> None:
        self.inside = 0
        self.most = 0

    async def work(self, given: Given) -> JsonObject:
        self.inside += 1
        self.most = max(self.most, self.inside)
        await asyncio.sleep(0.02)
        self.inside -= 1
        if given.input.get("fails"):
            raise ValueError("the disk is full")
        return {}


async def once(
    operation: Operation, step: Step, work: Callable[[], Awaitable[JsonObject]]
) -> Outcome:
    try:
        return await work()
    except ValueError as error:
        return Failed(str(error))


async def requested(context: Runtime, operation: Operation, **input: object) -> ExecutionRecord:
    request = starting.by_hand(operation, dict(input), new_id())
    return (await open_execution(context.store, SYSTEM_TENANT, request))[0]


async def carried(context: Runtime, operation: Operation, execution_id: str, room: Room) -> str:
    """How it ended; every step was done in the room."""
    stored = await claim(
        context.store, SYSTEM_TENANT, execution_id, new_id(), workflow=operation.id
    )
    assert stored
    run = OperationRun(context, operation, stored, once)
    try:
        await run.begin()
        for step in operation.steps:
            await run.step(step.id, room.work)
        await run.complete()
    except Over:
        pass
    return run.stored.record.status


@pytest.mark.parametrize("operation", [LOG_ROTATION, USER_ONBOARDING], ids=lambda one: one.id)
async def test_of_runs_that_are_claimed_at_once_one_is_at_work_at_a_time(
    context: Runtime, operation: Operation
) -> None:
    room = Room()
    requests = [await requested(context, operation, fails=n % 3 == 0) for n in range(RUNS)]

    ends = await asyncio.gather(*(carried(context, operation, one.id, room) for one in requests))

    assert ["failed" if n % 3 == 0 else "completed" for n in range(RUNS)] == ends
    assert 1 == room.most


async def test_one_that_is_tried_again_waits_for_those_that_have_begun_meanwhile(
    context: Runtime,
) -> None:
    room = Room()
    failed = [await requested(context, LOG_ROTATION, fails=True) for _ in range(4)]
    for execution in failed:
        await carried(context, LOG_ROTATION, execution.id, room)
        await reopen_execution(context.store, context.bus, SYSTEM_TENANT, execution.id)
    new = [await requested(context, LOG_ROTATION) for _ in range(4)]

    await asyncio.gather(*(carried(context, LOG_ROTATION, one.id, room) for one in [*failed, *new]))

    assert 1 == room.most


async def outcome(context: Runtime, operation: Operation, tick: Tick) -> str:
    """The execution of the tick, or why it has none."""
    try:
        return await execution_of_tick(context, operation, tick, {})
    except RunEnds as end:
        return f"{end.state.name}: {end.state.message}"


async def test_of_ticks_that_come_at_once_one_opens_an_execution_and_the_others_are_skipped(
    context: Runtime,
) -> None:
    room = Room()
    for _ in range(ROUNDS):
        outcomes = await asyncio.gather(
            *(
                outcome(context, LOG_ROTATION, tick)
                for tick in due_ticks(RUNS, apart=timedelta(seconds=1))
            )
        )

        skipped = [one for one in outcomes if one.startswith(f"{SKIPPED}: ")]
        [opened] = [one for one in outcomes if one not in skipped]
        assert {f"Skipped: log-rotation is still at work: execution {opened}"} == {*skipped}
        assert RUNS - 1 == len(skipped)
        assert "completed" == await carried(context, LOG_ROTATION, opened, room)


async def test_of_an_operation_that_queues_no_tick_is_skipped(context: Runtime) -> None:
    outcomes = await asyncio.gather(
        *(
            outcome(context, USER_ONBOARDING, tick)
            for tick in due_ticks(RUNS, apart=timedelta(seconds=1))
        )
    )

    where = {"workflow": USER_ONBOARDING.id}
    assert RUNS == len({*outcomes})
    assert RUNS == await context.store.count(SYSTEM_TENANT, ExecutionRecord, where)
