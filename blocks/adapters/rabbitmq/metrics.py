"""Whether this process's connections to RabbitMQ are up, evaluated when the metrics are read."""

from typing import Protocol
from weakref import WeakSet

from prometheus_client import REGISTRY
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


class Link(Protocol):
    """The state that a connection reports."""

    @property
    def purpose(self) -> str: ...

    @property
    def is_connected(self) -> bool: ...


OPEN_LINKS: WeakSet[Link] = WeakSet()
"""Those that should be connected."""


class _Connections(Collector):
    def collect(self) -> list[Metric]:
        up = GaugeMetricFamily(
            "workflow_orchestrator_bus_connection_up",
            "1 while every connection of this process for this purpose is up",
            labels=["purpose"],
        )
        links = list(OPEN_LINKS)
        for purpose in sorted({link.purpose for link in links}):
            up.add_metric(
                [purpose], all(link.is_connected for link in links if link.purpose == purpose)
            )
        return [up]


REGISTRY.register(_Connections())
