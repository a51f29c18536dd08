"""A run of an operation, watched at a terminal until it has ended."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from api.executions.documents import Execution, ExecutionStep
from api.operations.documents import Run
from blocks.contracts.operations import Operation
from blocks.contracts.states import TERMINAL
from blocks.operations.runs import known_operation
from deployments.printing import PlainConsole, console, say_line

POLL_SECONDS = 0.5


class NotCompleted(click.ClickException):
    """The run failed, or has not ended in time; the message is the reason."""


class Shown(Protocol):
    def show(self, execution: Execution) -> None: ...


async def follow(find: Callable[[], Awaitable[Execution]], run: Run, limit_seconds: float) -> None:
    """The run has completed, and its progress was shown. Raises `NotCompleted`, and what `find`
    does.
    """
    deadline = time.monotonic() + limit_seconds
    with _display(known_operation(run.workflow_id)) as display:
        while True:
            execution = await find()
            display.show(execution)
            if execution.status in TERMINAL:
                break
            if time.monotonic() > deadline:
                raise NotCompleted(f"{run.run_id} is still at work after {limit_seconds:g} s")
            await asyncio.sleep(POLL_SECONDS)
    if execution.status != "completed":
        raise NotCompleted(f"{run.run_id} failed: {execution.error}")


def _ended(execution: Execution) -> list[ExecutionStep]:
    return [step for step in execution.steps if step.completed_at is not None]


@contextmanager
def _display(operation: Operation) -> Iterator[Shown]:
    out = console()
    if not out.is_terminal:
        yield _Lines()
        return
    with bar(out, len(operation.steps)) as progress:
        yield _Bar(progress, operation)


@contextmanager
def bar(out: PlainConsole, total: int) -> Iterator[Progress]:
    """A bar of so many parts, at this terminal; its one task is at 0 and has no text yet."""
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}", markup=False),
    )
    with Progress(*columns, console=out) as progress:
        progress.add_task("", total=total)
        yield progress


class _Bar:
    def __init__(self, progress: Progress, operation: Operation) -> None:
        self._progress, self._operation = progress, operation

    def show(self, execution: Execution) -> None:
        [task], ended = self._progress.task_ids, {step.step for step in _ended(execution)}
        at_work = (step.id for step in self._operation.steps if step.id not in ended)
        doing = execution.status if execution.status in TERMINAL else next(at_work, "")
        self._progress.update(task, completed=len(ended), description=doing)


class _Lines:
    """A line for each step that has ended."""

    def __init__(self) -> None:
        self._shown: set[str] = set()

    def show(self, execution: Execution) -> None:
        for step in _ended(execution):
            if step.step not in self._shown:
                self._shown.add(step.step)
                why = step.error or str((step.result or {}).get("reason") or "")
                say_line(f"  {step.step:<24}{step.status:<11}{why}".rstrip())
