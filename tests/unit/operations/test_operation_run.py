"""The steps of an operation on the embedded parts, without Prefect: what is recorded, what a second
run does again, how it ends.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from blocks.actions.cancelling import cancel_execution
from blocks.actions.retrying import reopen_execution
from blocks.actions.starting import open_execution
from blocks.contracts.events import JsonObject
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.operations import Operation, Step
from blocks.contracts.operations.catalogue import LOG_ROTATION
from blocks.contracts.records import ExecutionRecord, StepRecord
from blocks.executions.steps import by_step, step_records
from blocks.operations import starting
from blocks.operations.work import NotConfigured
from blocks.ports import Stale, Unavailable
from blocks.services import open_bus, open_store
from blocks.settings import load_settings
from flows.shared.claims import claim
from flows.shared.operations import operation_run, run_events
from flows.shared.operations.operation_run import (
    Failed,
    Given,
    OperationRun,
    Outcome,
    Over,
    Skipped,
)
from flows.shared.runtime import Runtime
from tests.support.factories import new_id
from tests.support.flow_runs import RememberedFlowRuns
from tests.support.system.ledger import Ledger, ledger_of


@pytest.fixture
async def context(tmp_path: Path) -> AsyncIterator[Runtime]:
    settings = load_settings({"ORCHESTRATOR_DATA_DIR": str(tmp_path)})
    async with open_store(settings) as store, open_bus(settings, "test") as bus:
        await store.provision()
        yield Runtime(settings, bus, store, RememberedFlowRuns())


@pytest.fixture
async def ledger(context: Runtime) -> AsyncIterator[Ledger]:
    async with ledger_of(context.bus, "test") as ledger:
        yield ledger


async def plainly(
    operation: Operation, step: Step, work: Callable[[], Awaitable[JsonObject]]
) -> Outcome:
    """One attempt, without a limit."""
    try:
        return await work()
    except NotConfigured as reason:
        return Skipped(str(reason))
    except ValueError as error:
        return Failed(str(error))


async def requested(context: Runtime, key: str = "one", **input: object) -> ExecutionRecord:
    request = starting.by_hand(LOG_ROTATION, dict(input), key)
    return (await open_execution(context.store, SYSTEM_TENANT, request))[0]


async def taken(context: Runtime, execution: ExecutionRecord, by: str = "") -> OperationRun:
    """The run that has claimed it."""
    stored = await claim(
        context.store, SYSTEM_TENANT, execution.id, by or new_id(), workflow=LOG_ROTATION.id
    )
    assert stored
    run = OperationRun(context, LOG_ROTATION, stored, plainly)
    await run.begin()
    return run


async def now(context: Runtime, execution: ExecutionRecord) -> ExecutionRecord:
    return (await context.store.read(SYSTEM_TENANT, ExecutionRecord, execution.id)).record


async def recorded(context: Runtime, execution: ExecutionRecord) -> dict[str, StepRecord]:
    known = await step_records(context.store, SYSTEM_TENANT, [execution.id])
    return by_step(await now(context, execution), known)


async def count_lines(given: Given) -> JsonObject:
    return {"lines": 7, "seen": sorted(given.input)}


async def fail(given: Given) -> JsonObject:
    raise ValueError("the disk is full")


async def find_nothing(given: Given) -> JsonObject:
    raise NotConfigured("LOG_ROTATION_PATHS names no log files")


async def test_each_step_gets_the_input_and_the_results_of_all_before_it(context: Runtime) -> None:
    execution = await requested(context, lines=1, by="ann")
    run = await taken(context, execution)

    first = await run.step("rotate-logs", count_lines)
    second = await run.step("compress-old", count_lines)
    await run.step("cleanup", count_lines)
    await run.complete()

    assert (7, ["by", "lines"], True) == (first["lines"], first["seen"], first["success"])
    assert ["by", "lines", "seen", "success", "timestamp"] == second["seen"]
    ended = await now(context, execution)
    assert ("completed", ["rotate-logs", "compress-old", "cleanup"]) == (
        ended.status,
        list(ended.results or {}),
    )


async def test_a_step_that_fails_ends_the_execution_and_the_rest_is_skipped(
    context: Runtime, ledger: Ledger
) -> None:
    execution = await requested(context)
    run = await taken(context, execution)
    await run.step("rotate-logs", count_lines)

    with pytest.raises(Over):
        await run.step("compress-old", fail)

    ended = await now(context, execution)
    assert ("failed", "compress-old", "step-failed", "the disk is full") == (
        ended.status,
        ended.failed_step,
        ended.error_code,
        ended.error,
    )
    assert ["rotate-logs"] == list(ended.results or {})
    assert {"rotate-logs", "compress-old"} == (await recorded(context, execution)).keys()
    [event] = await ledger.published("workflow.operation.failed", count=1)
    assert ("log-rotation", "compress-old", "the disk is full") == (
        event["data"]["workflowId"],
        event["data"]["failedStep"],
        event["data"]["error"],
    )


async def test_what_happens_in_a_run_is_published_in_its_order(
    context: Runtime, ledger: Ledger
) -> None:
    run = await taken(context, await requested(context))
    await run.step("rotate-logs", count_lines)
    await run.step("compress-old", find_nothing)
    with pytest.raises(Over):
        await run.step("cleanup", fail)

    await ledger.published("workflow.operation.failed")
    happened = [
        (event["type"].removeprefix("workflow."), event["data"].get("stepId"))
        for event in ledger.seen
    ]
    assert [
        ("operation.started", None),
        ("operation_step.started", "rotate-logs"),
        ("operation_step.completed", "rotate-logs"),
        ("operation_step.started", "compress-old"),
        ("operation_step.completed", "compress-old"),
        ("operation_step.started", "cleanup"),
        ("operation_step.failed", "cleanup"),
        ("operation.failed", None),
    ] == happened
    rotated, skipped = ledger.of("workflow.operation_step.completed")
    assert (7, True) == (rotated["data"]["result"]["lines"], rotated["data"]["result"]["success"])
    assert "LOG_ROTATION_PATHS names no log files" == skipped["data"]["result"]["reason"]
    assert [] == ledger.invalid()


async def test_a_broker_that_is_away_or_hangs_stops_no_step(
    context: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_events, "PUBLISH_SECONDS", 0.05)
    run = await taken(context, await requested(context))

    async def is_away(*messages: object, required: bool = False) -> None:
        raise Unavailable("the broker is away")

    async def hangs(*messages: object, required: bool = False) -> None:
        await asyncio.sleep(60)

    for id, publish in (("rotate-logs", is_away), ("compress-old", hangs)):
        with monkeypatch.context() as patched:
            patched.setattr(context.bus, "publish", publish)
            assert 7 == (await run.step(id, count_lines))["lines"]


async def test_progress_names_the_step_at_work_and_what_it_reported(context: Runtime) -> None:
    run, seen = await taken(context, await requested(context)), list[str]()

    async def work(given: Given) -> JsonObject:
        seen.append(run.doing)
        given.report("uploading 12 MB")
        seen.append(run.doing)
        return {}

    await run.step("rotate-logs", work)

    assert [
        "steps done, rotate-logs",
        "steps done, rotate-logs: uploading 12 MB",
        "steps done",
    ] == [*seen, run.doing]


async def test_a_large_result_is_published_without_its_lists(
    context: Runtime, ledger: Ledger
) -> None:
    async def find_much(given: Given) -> JsonObject:
        return {"found": 3, "findings": ["x" * 50_000] * 3}

    run = await taken(context, await requested(context))
    await run.step("rotate-logs", find_much)

    [event] = await ledger.published("workflow.operation_step.completed")
    assert {"found", "success", "timestamp"} == event["data"]["result"].keys()


async def test_a_step_without_settings_is_skipped_with_the_reason(context: Runtime) -> None:
    execution = await requested(context)
    run = await taken(context, execution)
    for step in LOG_ROTATION.steps:
        await run.step(step.id, find_nothing)
    await run.complete()

    cleanup = (await recorded(context, execution))["cleanup"]
    assert "skipped" == cleanup.status
    assert {"skipped": True, "reason": "LOG_ROTATION_PATHS names no log files"} == cleanup.result
    assert ["rotate-logs", "compress-old", "cleanup"] == list(run.reasons_to_skip)
    assert "completed" == (await now(context, execution)).status


async def test_a_run_that_starts_over_does_no_completed_step_again(context: Runtime) -> None:
    execution = await requested(context)
    first = await taken(context, execution, by=(flow_run := new_id()))
    await first.step("rotate-logs", count_lines)

    second = await taken(context, execution, by=flow_run)
    kept = await second.step("rotate-logs", fail)

    assert 7 == kept["lines"]
    with pytest.raises(Stale):
        await first.step("compress-old", count_lines)


async def test_a_retry_goes_on_behind_the_steps_that_were_done(
    context: Runtime, ledger: Ledger
) -> None:
    execution = await requested(context)
    run = await taken(context, execution)
    await run.step("rotate-logs", count_lines)
    with pytest.raises(Over):
        await run.step("compress-old", fail)

    await reopen_execution(context.store, context.bus, SYSTEM_TENANT, execution.id)
    again = await taken(context, execution)
    await again.step("rotate-logs", fail)
    for step in ("compress-old", "cleanup"):
        await again.step(step, count_lines)
    await again.complete()

    assert "completed" == (await now(context, execution)).status
    ends = await ledger.published("workflow.operation.failed", count=1)
    ends += await ledger.published("workflow.operation.completed", count=1)
    assert 2 == len({event["id"] for event in ends})


async def test_a_step_at_work_is_given_up_when_its_execution_is_cancelled(context: Runtime) -> None:
    execution = await requested(context)
    run, begun, given_up = await taken(context, execution), asyncio.Event(), asyncio.Event()

    async def work(given: Given) -> JsonObject:
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            given_up.set()
        return {}

    step = asyncio.create_task(run.step("rotate-logs", work))
    await begun.wait()
    await cancel_execution(
        context.store, context.bus, context.flow_runs, SYSTEM_TENANT, execution.id, "not now"
    )
    run.forget(execution.id)

    with pytest.raises(Stale):
        await step
    assert given_up.is_set()
    assert {} == await recorded(context, execution)
    assert "cancelled" == (await now(context, execution)).status


async def test_two_runs_of_an_operation_follow_one_another(
    context: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operation_run, "_LOOK_SECONDS", 0.01)
    first = await taken(context, await requested(context, "one"))
    second = asyncio.create_task(taken(context, await requested(context, "two")))
    await asyncio.sleep(0.1)
    assert not second.done()

    for step in LOG_ROTATION.steps:
        await first.step(step.id, count_lines)
    await first.complete()

    assert "running" == (await second).stored.record.status


async def test_one_that_waits_too_long_for_its_turn_fails(
    context: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operation_run, "_LOOK_SECONDS", 0.01)
    monkeypatch.setattr(operation_run, "TURN_LIMIT_SECONDS", 0.05)
    await taken(context, await requested(context, "one"))

    execution = await requested(context, "two")
    with pytest.raises(Over):
        await taken(context, execution)

    ended = await now(context, execution)
    assert ("failed", "deadline-passed") == (ended.status, ended.error_code)
    assert "is still at work" in (ended.error or "")
