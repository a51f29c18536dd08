"""Versions that must fit together."""

import platform
import sys
from importlib.metadata import metadata

import prefect
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from deployments.doctor.connections import Connections
from deployments.doctor.finding import Finding, failed, ok, warning


async def python_version(connections: Connections) -> list[Finding]:
    """The interpreter is one that this project supports."""
    running, wanted = (
        platform.python_version(),
        metadata("workflow-orchestrator")["Requires-Python"],
    )
    if Version(running) in SpecifierSet(wanted):
        return [
            ok("python", f"{running}; workflow-orchestrator {connections.settings.module.version}")
        ]
    return [failed("python", f"{sys.executable} is {running}", f"use Python {wanted}")]


async def prefect_version(connections: Connections) -> list[Finding]:
    """The server is of the version that our client was tried with."""
    assert connections.prefect
    server, client = await connections.prefect.api_version(), prefect.__version__
    if server == client:
        return [ok("Prefect server", f"version {server}, as the client here")]
    if (Version(server).major, Version(server).minor) == (
        Version(client).major,
        Version(client).minor,
    ):
        return [ok("Prefect server", f"version {server}; the client here is {client}")]
    return [
        warning(
            "Prefect server",
            f"version {server}, but the client here is {client}",
            f"run the server of version {client}: other pairs were not tried",
        )
    ]
