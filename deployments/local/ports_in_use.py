"""Whether the ports we are about to listen on are free."""

import errno
import socket

import msgspec

from blocks.settings import Settings
from deployments.prefect import server as prefect_server


class PortInUse(Exception):
    """Another process listens there; the message names the port and the setting that changes it."""


class Listening(msgspec.Struct, frozen=True):
    """A port of the stack, and the environment variable that moves it."""

    what: str
    host: str
    port: int
    variable: str


def check_ports(settings: Settings) -> None:
    """Raises `PortInUse` for the first port of the stack that cannot be listened on."""
    for listening in _ports(settings):
        problem = _problem(listening)
        if problem:
            raise PortInUse(
                f"port {listening.port} of {listening.host} ({listening.what}) {problem}: "
                f"free it, or choose another with {listening.variable}=…"
            )


def _ports(settings: Settings) -> list[Listening]:
    ports = [Listening("API", settings.server.host, settings.server.port, "PORT")]
    if prefect_server.is_embedded(settings):
        ports.append(
            Listening(
                "Prefect server", "127.0.0.1", settings.prefect.ui_port, "PREFECT_SERVER_PORT"
            )
        )
    return ports


def _problem(listening: Listening) -> str | None:
    family = socket.AF_INET6 if ":" in listening.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # Like uvicorn: connections of a server that has just stopped do not keep the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((listening.host, listening.port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return "is in use"
            return f"cannot be listened on ({error.strerror or error})"
    return None
