"""Simulated services that are asked over HTTP, on a port of their own."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from litestar import Litestar

from blocks.processes.ending import CLOSE_SECONDS, ended
from blocks.processes.process_port import SignalFreeServer
from blocks.settings.links import url_of

BACKLOG = 1_024


@asynccontextmanager
async def served(app: Litestar, host: str, port: int) -> AsyncIterator[str]:
    """The app answers at the URL while the context lasts; port 0 is any that is free. Raises
    `OSError`.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family, backlog=BACKLOG) as listening:
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        server = SignalFreeServer(_config(app))
        serving = asyncio.create_task(server.serve(sockets=[listening]), name="simulated services")
        try:
            yield url_of(host, listening.getsockname()[1])
        finally:
            server.should_exit = True
            await asyncio.wait({serving}, timeout=CLOSE_SECONDS)
            await ended(serving)


def _config(app: Litestar) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        access_log=False,
        log_config=None,
        log_level="error",
        lifespan="off",
        ws="none",
        timeout_graceful_shutdown=1,
    )
