"""All operations started, and watched until the last one has ended."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import httpx
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from blocks.contracts.events import JsonObject
from blocks.contracts.operations import OPERATIONS
from deployments.cli.demo.failed import DemoFailed
from deployments.cli.demo.operations.lines import Shown, line_of
from deployments.printing import PlainTable, console, say_line

POLL_SECONDS = 0.3

ENDED = ("completed", "failed")

EVENTS: Mapping[str, str] = {
    "cache-warmup": "deployment.completed",
    "user-onboarding": "user.registered",
}
"""What starts these; the others are requested."""


class Watch:
    """The runs that the demo has started: the first of each operation that was not there before."""

    def __init__(self, client: httpx.AsyncClient, limit_seconds: float) -> None:
        self._client = client
        self._limit_seconds = limit_seconds
        self._before: set[str] = set()
        self._runs: dict[str, JsonObject] = {}

    async def start(self) -> None:
        """Every operation is requested, or its event is posted. Raises `DemoFailed`."""
        self._before = {run["runId"] for run in await self._history()}
        user = f"u-{uuid4().hex[:6]}"
        payload = {"userId": user, "email": f"{user}@shop.example", "name": "Ann"}
        for operation in OPERATIONS:
            if event := EVENTS.get(operation.id):
                await self._ask("POST", "/events", json={"eventType": event, "payload": payload})
            else:
                await self._ask("POST", f"/workflows/{operation.id}/trigger", json={})

    async def until_ended(self) -> list[Shown]:
        """Each run, once all have ended; meanwhile a person sees how far they are. Raises
        `DemoFailed` when nothing has happened for the limit.
        """
        out = console()
        if not out.is_terminal:
            await self._until_ended(_Lines())
        else:
            with Live(console=out, refresh_per_second=8, transient=True) as live:
                await self._until_ended(_Table(live))
        return [Shown(run, await self._page_of(run)) for run in self._runs.values()]

    async def _until_ended(self, display: "_Lines | _Table") -> None:
        deadline = time.monotonic() + self._limit_seconds
        while len(self._ended()) < len(OPERATIONS):
            before = dict(self._runs)
            for run in await self._history():
                if run["runId"] not in self._before:
                    self._runs[run["workflowId"]] = run
            display.show(self._runs)
            if before != self._runs:
                deadline = time.monotonic() + self._limit_seconds
            if time.monotonic() > deadline:
                raise DemoFailed(self._why_not())
            await asyncio.sleep(POLL_SECONDS)

    def _ended(self) -> list[str]:
        return [id for id, run in self._runs.items() if run["status"] in ENDED]

    def _why_not(self) -> str:
        open_ones = [one.id for one in OPERATIONS if one.id not in self._ended()]
        return (
            f"nothing happened for {self._limit_seconds:g} s, and these have not ended: "
            f"{', '.join(open_ones)}"
        )

    async def _history(self) -> list[JsonObject]:
        found: list[JsonObject] = (await self._ask("GET", "/history"))["history"]
        return found

    async def _page_of(self, run: JsonObject) -> str:
        execution = await self._ask("GET", f"/v1/executions/{run['executionId']}")
        return str(execution.get("flowRunUrl", ""))

    async def _ask(self, method: str, path: str, **options: Any) -> JsonObject:
        try:
            answer = await self._client.request(method, path, **options)
            answer.raise_for_status()
            body: JsonObject = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise DemoFailed(f"the API did not answer as expected: {error!r}") from None
        return body


class _Lines:
    """A line for each run that has ended."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._shown: set[str] = set()

    def show(self, runs: Mapping[str, JsonObject]) -> None:
        for id, run in runs.items():
            if run["status"] in ENDED and id not in self._shown:
                self._shown.add(id)
                say_line(f"  {time.monotonic() - self._began:>5.1f} s  {line_of(run)}")


class _Table:
    """A line for each operation, with its step at work."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._spinner = Spinner("dots", style="cyan")

    def show(self, runs: Mapping[str, JsonObject]) -> None:
        table = PlainTable(padding=(0, 2), pad_edge=False, box=None, show_header=False)
        for operation in OPERATIONS:
            run = runs.get(operation.id, {})
            done, steps = len(run.get("stepResults", {})), len(operation.steps)
            mark = {"completed": Text("✓", style="green"), "failed": Text("✗", style="red")}.get(
                run.get("status", ""), self._spinner
            )
            at_work = run.get("currentStep") or run.get("status") or "waiting"
            table.add_row("", mark, operation.id, f"{done} of {steps} steps", at_work)
        self._live.update(table)
