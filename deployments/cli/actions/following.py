"""A run of an operation, watched at a terminal until it has ended."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from blocks.contracts.operations import Operation
from blocks.operations.runs import Run, find_run
from blocks.ports import RecordStore
from deployments.printing import PlainConsole, console, say_line

POLL_SECONDS = 0.5


class NotCompleted(click.ClickException):
    """The run failed, or has not ended in time; the message is the reason."""


class Shown(Protocol):
    def show(self, run: Run) -> None: ...


async def follow(store: RecordStore, id: str, operation: Operation, limit_seconds: float) -> None:
    """The run has completed, and its progress was shown. Raises `NotCompleted`, `Unavailable`."""
    deadline = time.monotonic() + limit_seconds
    with _display(operation) as display:
        while True:
            run = await find_run(store, id)
            display.show(run)
            if run.execution.is_terminal:
                break
            if time.monotonic() > deadline:
                raise NotCompleted(f"{id} is still at work after {limit_seconds:g} s")
            await asyncio.sleep(POLL_SECONDS)
    if run.status != "completed":
        raise NotCompleted(f"{id} failed: {run.execution.error}")


@contextmanager
def _display(operation: Operation) -> Iterator[Shown]:
    out = console()
    if not out.is_terminal:
        yield _Lines()
        return
    with bar(out, len(operation.steps)) as progress:
        yield _Bar(progress)


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
    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def show(self, run: Run) -> None:
        [task] = self._progress.task_ids
        doing = run.execution.status if run.execution.is_terminal else run.current_step or ""
        self._progress.update(task, completed=len(run.steps), description=doing)


class _Lines:
    """A line for each step that has ended."""

    def __init__(self) -> None:
        self._shown: set[str] = set()

    def show(self, run: Run) -> None:
        for id, step in run.steps.items():
            if id not in self._shown:
                self._shown.add(id)
                why = step.error or str((step.result or {}).get("reason") or "")
                say_line(f"  {id:<24}{step.status:<11}{why}".rstrip())
