"""Supervises child processes: starts them, restarts those that exit, stops all in reverse order."""

import asyncio
import re
import time
from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from deployments.local.child_process import ChildProcess
from deployments.local.terminal import say, say_plainly, say_serious

RESTARTS_MAX = 5
"""After more exits in a row, each within `STEADY_SECONDS` of a start, the service has failed."""
STEADY_SECONDS = 60.0
PAUSE_MAX_SECONDS = 15.0

SERIOUS = re.compile(r"^.{0,50}\b(WARNING|ERROR|CRITICAL)\b")
"""A log line a person should see: our own format, Prefect's and uvicorn's all name the level near
the start.
"""


class Service(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A command, under the name a person knows it by."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    stop_seconds: float = 25.0


class ServiceFailed(Exception):
    """A service cannot be started or does not stay alive; its last lines have been shown."""


class Supervisor:
    """Runs services for the duration of its context; at its end every child has been stopped.

    Until `forgiving` is set, the first exit of any service is final: a restart would not help.
    """

    def __init__(self, log_folder: Path) -> None:
        self.forgiving = False
        self.stopping = False
        self.killed = False
        self._log_folder = log_folder
        self._children: dict[Service, ChildProcess] = {}
        self._watches: list[asyncio.Task[None]] = []
        self._given_up: asyncio.Future[None]

    async def __aenter__(self) -> Self:
        self._log_folder.mkdir(parents=True, exist_ok=True)
        self._given_up = asyncio.get_running_loop().create_future()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stopping = True
        for watch in self._watches:
            watch.cancel()
        await asyncio.gather(*self._watches, return_exceptions=True)
        self._given_up.cancel()
        if self._children:
            say_plainly("\nStopping everything (Ctrl-C again kills) …")
        for service, child in reversed(self._children.items()):
            await _stop(service, child)

    async def start(self, service: Service) -> None:
        """The service runs and is watched."""
        child = await self._launch(service)
        self._watches.append(
            asyncio.create_task(self._watch(service, child), name=f"watch-{service.name}")
        )

    async def run_to_end(self, service: Service) -> None:
        """The command has ended well. Raises `ServiceFailed` if it has not."""
        child = await self._launch(service)
        code = await child.wait()
        del self._children[service]
        if code:
            raise self._failure(child, f"{service.name} ended with {_described(code)}")

    async def carry(self, work: Coroutine[None, None, None]) -> None:
        """Does the work, then waits forever. Raises `ServiceFailed` once a service has failed."""
        working = asyncio.create_task(work)
        try:
            await asyncio.wait({working, self._given_up}, return_when=asyncio.FIRST_COMPLETED)
            if not self._given_up.done():
                await working
            await self._given_up
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)

    def kill_all(self) -> None:
        """Kills every child now; `killed` is set."""
        self.killed = True
        for child in self._children.values():
            child.kill()

    async def _launch(self, service: Service) -> ChildProcess:
        child = ChildProcess(
            service.name,
            service.command,
            environment=service.environment,
            log_file=self._log_file(service.name),
            on_line=lambda line: self._show(service.name, line),
        )
        await child.start()
        self._children[service] = child
        return child

    async def _watch(self, service: Service, child: ChildProcess) -> None:
        try:
            await self._keep_alive(service, child)
        except Exception as error:
            if not self._given_up.done():
                self._given_up.set_exception(error)

    async def _keep_alive(self, service: Service, child: ChildProcess) -> None:
        """Restarts the service when it exits; raises `ServiceFailed` after too many in a row."""
        deaths = 0
        while True:
            born = time.monotonic()
            code = await child.wait()
            deaths = deaths + 1 if time.monotonic() - born < STEADY_SECONDS else 1
            if not self.forgiving or deaths > RESTARTS_MAX:
                when = f"{deaths} times in a row" if self.forgiving else "while starting"
                raise self._failure(child, f"{service.name} ended with {_described(code)} {when}")
            pause = min(2.0 ** (deaths - 1), PAUSE_MAX_SECONDS)
            say(service.name, "restarting", f"in {pause:.0f} s: it ended with {_described(code)}")
            await asyncio.sleep(pause)
            child = await self._launch(service)
            say(service.name, "restarted")

    def _failure(self, child: ChildProcess, what: str) -> ServiceFailed:
        say(child.name, "failed", "its last lines:")
        for line in child.last_lines:
            say_serious(child.name, line)
        return ServiceFailed(f"{what}; its log is {self._log_file(child.name)}")

    def _show(self, name: str, line: str) -> None:
        # During start and stop, services miss one another: these warnings belong in the log only.
        if SERIOUS.match(line) and self.forgiving and not self.stopping:
            say_serious(name, line)

    def _log_file(self, name: str) -> Path:
        return self._log_folder / f"{name}.log"


async def _stop(service: Service, child: ChildProcess) -> None:
    began = time.monotonic()
    politely = await child.stop(service.stop_seconds)
    say(service.name, "stopped" if politely else "killed", seconds=time.monotonic() - began)


def _described(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"
