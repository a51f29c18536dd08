"""`orchestrator demo operations`: every operation does its work once, and shows what it did."""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import click
import httpx

from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.roles import Role
from blocks.processes.private_files import private_folder
from blocks.settings import load_settings
from deployments.cli.demo.credential import demo_headers
from deployments.cli.demo.failed import DemoFailed
from deployments.cli.demo.operations import folder, servers
from deployments.cli.demo.operations.lines import Shown, summary_table
from deployments.cli.demo.operations.watch import Watch
from deployments.local.free_ports import free_port
from deployments.local.own_stack import own_stack
from deployments.local.readiness import api_url
from deployments.local.terminal import say_plainly
from deployments.printing import console, say_line
from deployments.simulated.platform.app import Platform, create_app, settings_at
from deployments.simulated.serving import served

ROLES: Sequence[Role] = ("viewer", "operator")
HOST = "127.0.0.1"


async def run_operations_demo(place: Path, *, limit_seconds: float) -> None:
    """Each operation has run once, on nothing but the demo's own. Raises `DemoFailed` if one has
    failed.

    `place`: the demo's folder. From here on, this process has the demo's settings, and none of the
    user's.
    """
    platform = Platform()
    async with AsyncExitStack() as stack:
        own = folder.prepare(place)
        url = await stack.enter_async_context(served(create_app(platform), HOST, 0))
        own |= settings_at(url) | await _servers(stack, place) | _ports()
        folder.use_only(own)
        async with _client() as client:
            watch = Watch(client, limit_seconds)
            await watch.start()
            runs = await watch.until_ended()
            _show(runs, platform, place)
            await _until_a_key()
    if failed := [shown.run["workflowId"] for shown in runs if shown.outcome == "failed"]:
        raise DemoFailed(f"failed: {', '.join(failed)}")


async def _servers(stack: AsyncExitStack, place: Path) -> dict[str, str]:
    """The settings of the servers that could be started; of the others, why not."""
    logs, found = place / "data" / "logs", dict[str, str]()
    private_folder(logs)
    for name, server in (("PostgreSQL", servers.postgres), ("Redis", servers.redis)):
        try:
            found |= await stack.enter_async_context(server(logs))
        except servers.NotHere as reason:
            say_line(f"  {name} is left out: {reason}")
    return found


def _ports() -> dict[str, str]:
    """Beside a stack that already runs here."""
    return {
        "PORT": str(free_port(HOST, range(3151, 3161))),
        "PREFECT_SERVER_PORT": str(free_port(HOST, range(4210, 4220))),
    }


@asynccontextmanager
async def _client() -> AsyncIterator[httpx.AsyncClient]:
    """Of the API of a stack that lasts as long as the context."""
    settings = load_settings()
    async with (
        own_stack(settings, "--without", "simulators"),
        demo_headers(settings, SYSTEM_TENANT, ROLES) as headers,
        httpx.AsyncClient(
            base_url=f"{api_url(settings)}/api", headers=headers, timeout=10
        ) as client,
    ):
        say_plainly(
            "\nEach operation runs once; cache-warmup and user-onboarding are started by events.\n"
        )
        yield client


def _show(runs: Sequence[Shown], platform: Platform, place: Path) -> None:
    say_plainly()
    console().print(summary_table(runs))
    say_line("")
    say_line(f"Files         {place}")
    sent = len(platform.messages)
    say_line(f"Messages      {sent} were taken by the simulated communications hub")


async def _until_a_key() -> None:
    """The pages of the runs can be read until then; without a terminal, no one does."""
    if sys.stdin.isatty() and sys.stdout.isatty():
        await asyncio.to_thread(
            click.pause, "\nPrefect's UI answers until you press a key: then the stack stops …"
        )
