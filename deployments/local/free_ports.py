"""Ports on which nothing listens."""

import socket
from collections.abc import Iterable


def free_port(host: str, wanted: Iterable[int] = ()) -> int:
    """The first of the wanted ones that is free, so that it is the same every day; else any."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for port in (*wanted, 0):
        try:
            with socket.create_server((host, port), family=family) as listening:
                return int(listening.getsockname()[1])
        except OSError:
            continue
    raise OSError(f"no port of {host} is free")
