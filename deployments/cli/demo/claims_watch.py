"""What happens to a journey, line by line as it is logged."""

import asyncio
import time
from collections.abc import Callable

from rich.status import Status

from blocks.contracts.claims.phases import PHASES
from blocks.contracts.events import JsonObject
from deployments.cli.demo.claims_api import ClaimsApi
from deployments.cli.demo.claims_lines import line_of
from deployments.cli.demo.failed import DemoFailed
from deployments.printing import console, say_line, styled

POLL_SECONDS = 0.2


class Watch:
    """Every entry of the journey's log is shown once, however often it is waited for."""

    def __init__(self, api: ClaimsApi, limit_seconds: float) -> None:
        self._api = api
        self._limit_seconds = limit_seconds
        self._began = time.monotonic()
        self._shown: set[str] = set()
        self._percent = 0

    async def until(self, is_so: Callable[[JsonObject], bool], what: str) -> JsonObject:
        """The journey, once it is so. Raises `DemoFailed` when a phase has failed, or nothing has
        happened for the limit.
        """
        terminal = console()
        if not terminal.is_terminal:
            return await self._until(is_so, what, None)
        with terminal.status("") as status:
            return await self._until(is_so, what, status)

    async def _until(
        self, is_so: Callable[[JsonObject], bool], what: str, status: Status | None
    ) -> JsonObject:
        deadline = time.monotonic() + self._limit_seconds
        while True:
            journey = await self._api.journey()
            if self._show(journey):
                deadline = time.monotonic() + self._limit_seconds
            if is_so(journey):
                return journey
            self._check(journey)
            if time.monotonic() > deadline:
                raise DemoFailed(_why_not(journey, what, self._limit_seconds))
            if status is not None:
                status.update(styled(_doing(journey), "cyan"))
            await asyncio.sleep(POLL_SECONDS)

    def _show(self, journey: JsonObject) -> bool:
        """Prints what is new; whether there was anything."""
        fresh = [entry for entry in journey["timeline"] if entry["id"] not in self._shown]
        for entry in fresh:
            self._shown.add(entry["id"])
            if entry["mark"] == "completed":
                self._percent = max(self._percent, PHASES[entry["phase"]].percent)
            if entry["mark"] != "started":
                seconds = time.monotonic() - self._began
                say_line(f"  {seconds:>5.1f} s  {self._percent:>3} %  {line_of(entry)}")
        return bool(fresh)

    def _check(self, journey: JsonObject) -> None:
        failed = [one for one in journey["phases"] if one["status"] == "failed"]
        if failed:
            reason = failed[0].get("error") or "no reason was given"
            raise DemoFailed(
                f"{failed[0]['title']} failed: {reason}; try it again with "
                f"POST /api/v1/claims/{self._api.sync_id}/retry"
            )
        if journey["status"] in ("failed", "cancelled"):
            raise DemoFailed(f"the journey is {journey['status']}: {journey.get('error', '')}")


def _doing(journey: JsonObject) -> str:
    running = [one for one in journey["phases"] if one["status"] == "running"]
    return running[0]["title"] if running else f"the journey is {journey['status']}"


def _why_not(journey: JsonObject, what: str, limit_seconds: float) -> str:
    open_phases = [
        f"{one['title']} is {one['status']}"
        for one in journey["phases"]
        if one["status"] in ("requested", "running")
    ]
    details = "; ".join(open_phases) or f"the journey is {journey['status']}"
    return (
        f"nothing happened for {limit_seconds:g} s while waiting for {what} ({details}): does a "
        "worker run? `orchestrator doctor` shows what is wrong"
    )
