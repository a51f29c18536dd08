"""`orchestrator up`: the whole system as child processes of one foreground command."""

import asyncio
import os
import sys
import time
from pathlib import Path

from blocks.security.login_links import LIVES
from blocks.settings import Settings
from blocks.settings.auth import GATEWAY, announce, modes_of
from blocks.settings.links import api_url as pages_url
from deployments.bootstrap.provision import provision
from deployments.local.data_dir import data_dir_of_one_stack
from deployments.local.development_key import DEMO_TENANT, development_key
from deployments.local.login_link import demo_login_link
from deployments.local.metrics_ports import metrics_ports
from deployments.local.ports_in_use import check_ports
from deployments.local.readiness import api_url, parts_becoming_ready
from deployments.local.simulated_claims import simulated_claims
from deployments.local.stop_signals import until_stopped
from deployments.local.supervisor import Service, Supervisor
from deployments.local.terminal import say, say_plainly
from deployments.prefect import server as prefect_server

OTHERS_LIMIT_SECONDS = 10.0
"""For a Prefect server that is not ours: it should be there already."""

EVERYTHING_RUNS = "Everything runs."
"""Printed once, when an event published now would become a finished execution."""


def run_stack(settings: Settings, *, simulators: bool) -> None:
    """Runs the stack until a signal stops it; when this ends, none of its processes is left.

    Raises `DataDirTaken` or `PortInUse` before anything is started, `Unavailable` or
    `ServiceFailed` when a part cannot be started or kept alive. A second signal during the stop
    kills the children.
    """
    with data_dir_of_one_stack(settings) as folder:
        check_ports(settings)
        asyncio.run(_Stack(settings, folder, simulators=simulators).run())


class _Stack:
    def __init__(self, settings: Settings, folder: Path, *, simulators: bool) -> None:
        self._settings = settings
        self._folder = folder
        self._simulators = simulators
        self._supervisor = Supervisor(folder / "logs")
        self._metrics = metrics_ports(settings)
        self._claims = simulated_claims(settings, os.environ) if simulators else None
        of_ours = {"ORCHESTRATOR_DATA_DIR": str(folder), **self._metrics.environment()}
        of_ours |= self._claims.environment if self._claims else {}
        self._environment = prefect_server.client_environment(settings) | of_ours
        self._began = time.monotonic()

    async def run(self) -> None:
        await until_stopped(self._serve(), told_again=self._supervisor.kill_all)
        if self._supervisor.killed:
            raise KeyboardInterrupt

    async def _serve(self) -> None:
        say_plainly(
            f"Workflow orchestrator {self._settings.module.version}, data in "
            f"{self._settings.data_dir}\n"
        )
        for note in self._settings.notes:
            say_plainly(f"{note.level}: {note.text}")
        async with self._supervisor:
            await self._supervisor.carry(self._start())

    async def _start(self) -> None:
        """Starts everything at once; dependents wait for what they need.

        Stops in reverse order: the worker ends first, while the services that answer its running
        flows are still there.
        """
        await provision(self._settings)
        if prefect_server.is_embedded(self._settings):
            await self._supervisor.start(self._prefect())
        else:
            await prefect_server.wait_until_healthy(
                self._settings, limit_seconds=OTHERS_LIMIT_SECONDS
            )
        if self._simulators:
            await self._supervisor.start(self._ours("simulators"))
        await self._supervisor.start(self._ours("api"))
        await self._supervisor.start(self._ours("listener"))
        await self._supervisor.start(
            self._ours("worker", stop_seconds=self._settings.worker.drain_seconds + 12)
        )
        await self._until_ready()
        self._supervisor.forgiving = True
        key = await development_key(self._settings)
        link = await demo_login_link(self._settings) if key else None
        self._say_where_everything_is(key, link)

    async def _until_ready(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._prefect_is_ready())
            # most of its time goes into imports; then it waits for Prefect
            group.create_task(self._bootstrap())
        details = {
            "api": api_url(self._settings),
            "listener": f"queue {self._settings.rabbitmq.queue}",
            "worker": f"work pool {self._settings.prefect.work_pool}",
        }
        async for part in parts_becoming_ready(
            self._settings, limit_seconds=self._settings.startup.wait_seconds
        ):
            if part in details:
                self._say_ready(part, details[part])
        if self._simulators:
            claims = f", claim services on {self._claims.url}" if self._claims else ""
            self._say_ready("simulators", f"risk-analytics, forecasting, recommendations{claims}")

    async def _prefect_is_ready(self) -> None:
        await prefect_server.wait_until_healthy(
            self._settings, limit_seconds=self._settings.startup.wait_seconds
        )
        self._say_ready("prefect", prefect_server.ui_url(self._settings))

    async def _bootstrap(self) -> None:
        await self._supervisor.run_to_end(self._ours("bootstrap"))
        self._say_ready("bootstrap", "work pool, deployments and blocks registered")

    def _prefect(self) -> Service:
        return Service(
            name="prefect",
            command=prefect_server.COMMAND,
            environment=prefect_server.server_environment(self._settings),
            stop_seconds=10,
        )

    def _ours(self, name: str, *, stop_seconds: float = 25) -> Service:
        return Service(
            name=name,
            command=(sys.executable, "-m", "deployments.cli", name),
            environment=self._environment,
            stop_seconds=stop_seconds,
        )

    def _say_ready(self, name: str, detail: str) -> None:
        say(name, "ready", detail, seconds=time.monotonic() - self._began)

    def _say_where_everything_is(self, key: Path | None, link: str | None) -> None:
        say_plainly(
            f"""
  API         {api_url(self._settings)}{_how_to_call(self._settings, key)}
  API docs    {api_url(self._settings)}/docs
  Pages       {pages_url(self._settings.server)}{_how_to_sign_in(link)}
  Prefect UI  {prefect_server.ui_url(self._settings)}{self._metrics.lines()}
  Logs        {self._folder / "logs"}
  Try it      make demo, or make demo ARGS=claims (in another terminal)

{EVERYTHING_RUNS} Ctrl-C stops everything."""
        )


def _how_to_sign_in(link: str | None) -> str:
    if link is None:
        return ""
    return f"""
              {link}
              signs in once, within {LIVES.seconds // 60} min; another: orchestrator login-link"""


def _how_to_call(settings: Settings, key: Path | None) -> str:
    if GATEWAY in modes_of(settings.auth):
        return f"\n              WARNING: {announce(settings.auth)}"
    if key is None:
        return "\n              callers need a credential: docs/authentication.md"
    return f"""
              curl -H "Authorization: Bearer $(cat {key})" \\
                   -H "X-Tenant-ID: {DEMO_TENANT}" {api_url(settings)}/api/v1/executions"""
