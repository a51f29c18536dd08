"""Where the processes of a stack answer `/metrics`: chosen before they start, so that the summary
can name it.
"""

from collections.abc import Mapping

import msgspec

from blocks.processes.process_port import Role, free_port
from blocks.settings import Settings
from blocks.settings.links import url_of

_VARIABLES: Mapping[Role, str] = {
    "api": "API_METRICS_PORT",
    "listener": "LISTENER_METRICS_PORT",
    "worker": "WORKER_METRICS_PORT",
}


class MetricsPorts(msgspec.Struct, frozen=True):
    """The port of each role that has one."""

    host: str
    ports: Mapping[Role, int]

    def environment(self) -> dict[str, str]:
        """The environment with which each process takes its port, or the next free one."""
        return {_VARIABLES[role]: str(port) for role, port in self.ports.items()}

    def lines(self) -> str:
        """For the summary, one for each role, each after a line break; empty if none serves
        metrics.
        """
        heads = ["  Metrics     ", *["              "] * len(self.ports)]
        urls = (f"{url_of(self.host, port)}/metrics ({role})" for role, port in self.ports.items())
        return "".join(f"\n{head}{url}" for head, url in zip(heads, urls, strict=False))


def metrics_ports(settings: Settings) -> MetricsPorts:
    """The ports that are free now. Raises `BadSetting` for an address that is not ours."""
    found = {role: free_port(settings, role) for role in _VARIABLES}
    return MetricsPorts(settings.metrics.host, {role: port for role, port in found.items() if port})
