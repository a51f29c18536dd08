"""`orchestrator workflows trigger --follow`: what it shows of a run, and how it ends."""

from collections.abc import Awaitable, Callable

import pytest

from api.executions.documents import Execution
from api.executions.shown import shown
from api.operations.documents import Run, run_of
from blocks.actions.starting import open_execution
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.operations.catalogue import LOG_ROTATION
from blocks.contracts.records import ExecutionRecord
from blocks.executions import transitions
from blocks.executions.steps import record_step
from blocks.operations import starting
from blocks.operations.runs import Run as RunOfOperation
from blocks.ports import RecordStore, Stored
from blocks.settings import load_settings
from deployments.cli.actions.following import NotCompleted, bar, follow
from deployments.printing import console


@pytest.fixture
async def run(store: RecordStore) -> Stored[ExecutionRecord]:
    """One that is at work, with two steps behind it."""
    request = starting.by_hand(LOG_ROTATION, {}, "one")
    execution, _ = await open_execution(store, SYSTEM_TENANT, request)
    stored = await store.read(SYSTEM_TENANT, ExecutionRecord, execution.id)
    stored = await transitions.move(store, stored, "running")
    await record_step(store, execution, "rotate-logs", result={"logsRotated": 2})
    await record_step(store, execution, "compress-old", skipped="nothing to do")
    return stored


def shown_run(run: Stored[ExecutionRecord]) -> Run:
    return run_of(RunOfOperation(execution=run.record, steps={}))


def reading(store: RecordStore, run: Stored[ExecutionRecord]) -> Callable[[], Awaitable[Execution]]:
    async def find() -> Execution:
        now = await store.read(SYSTEM_TENANT, ExecutionRecord, run.record.id)
        return await shown(store, now.record, load_settings({}).prefect)

    return find


async def test_it_shows_each_step_and_ends_with_the_run(
    store: RecordStore, run: Stored[ExecutionRecord], capsys: pytest.CaptureFixture[str]
) -> None:
    await transitions.complete(store, run, results={})

    await follow(reading(store, run), shown_run(run), 60)

    assert [
        ["rotate-logs", "completed"],
        ["compress-old", "skipped", "nothing", "to", "do"],
    ] == [line.split() for line in capsys.readouterr().out.splitlines()]


async def test_a_run_that_fails_is_an_error_with_its_reason(
    store: RecordStore, run: Stored[ExecutionRecord]
) -> None:
    await transitions.fail(store, run, "step-failed", "the disk is full")

    with pytest.raises(NotCompleted, match="the disk is full"):
        await follow(reading(store, run), shown_run(run), 60)


async def test_it_does_not_wait_for_ever(store: RecordStore, run: Stored[ExecutionRecord]) -> None:
    with pytest.raises(NotCompleted, match="still at work"):
        await follow(reading(store, run), shown_run(run), 0.01)


def test_at_a_terminal_a_bar_shows_how_many_parts_are_done(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    with bar(console(), 4) as progress:
        progress.update(progress.task_ids[0], completed=3, description="upload-backup")

    assert "3/4" in (shown := capsys.readouterr().out)
    assert "upload-backup" in shown
