"""The progress of one analysis: four live lines on a terminal, one plain line per
change elsewhere.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Protocol

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from blocks.clock import utc_now
from blocks.contracts.analysis import ANALYSIS_STEPS
from blocks.contracts.events import JsonObject
from deployments.printing import PlainTable, say_line

MARKS = {
    "completed": Text("✓", style="green"),
    "failed": Text("✗", style="red"),
    "skipped": Text("-", style="yellow"),
    "pending": Text("·", style="dim"),
}


class Display(Protocol):
    def show(self, execution: JsonObject | None) -> None:
        """This is how the execution is now; None: there is none yet."""
        ...


@contextmanager
def progress_display(published_at: datetime) -> Iterator[Display]:
    console = Console(highlight=False)
    if not console.is_terminal:
        yield _PlainDisplay(published_at)
        return
    with Live(console=console, refresh_per_second=12) as live:
        yield _LiveDisplay(live, published_at)


class _LiveDisplay:
    def __init__(self, live: Live, published_at: datetime) -> None:
        self._live = live
        self._published_at = published_at
        # One object for all refreshes: a new spinner would restart its animation each time.
        self._spinner = Spinner("dots", style="cyan")
        self.show(None)

    def show(self, execution: JsonObject | None) -> None:
        table = PlainTable(padding=(0, 2), pad_edge=False, box=None, show_header=False)
        for name, status, ended_at in _standings(execution):
            mark = MARKS.get(status, self._spinner)
            table.add_row(
                "", mark, name, status, _elapsed(self._published_at, ended_at), style=_style(status)
            )
        self._live.update(table)


class _PlainDisplay:
    def __init__(self, published_at: datetime) -> None:
        self._published_at = published_at
        self._printed: dict[str, str] = {}

    def show(self, execution: JsonObject | None) -> None:
        for name, status, ended_at in _standings(execution):
            if self._printed.get(name) != status:
                self._printed[name] = status
                say_line(f"  {_elapsed(self._published_at, ended_at):>7}  {name:<16}{status}")


def _standings(execution: JsonObject | None) -> Iterator[tuple[str, str, str | None]]:
    """Name, status and end of the execution itself, then of each step."""
    if execution is None:
        yield "analysis", "waiting", None
        for step in ANALYSIS_STEPS:
            yield step.name, "pending", None
        return
    yield "analysis", execution["status"], execution.get("completedAt")
    for step in execution["steps"]:
        yield step["step"], step["status"], step.get("completedAt")


def _elapsed(since: datetime, ended_at: str | None) -> str:
    until = datetime.fromisoformat(ended_at) if ended_at else utc_now()
    return f"{max((until - since).total_seconds(), 0):.1f} s"


def _style(status: str) -> str:
    return {"failed": "red", "pending": "dim", "waiting": "dim"}.get(status, "")
