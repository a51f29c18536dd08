"""What the registry of this process exports."""

from collections.abc import Iterator

from prometheus_client import REGISTRY
from prometheus_client.samples import Sample

OURS = ("workflow_orchestrator_", "rabbitmq_", "http_", "batch_job", "dead_letters_")


def value(name: str, **labels: str) -> float:
    """Of one series; 0 if there is none."""
    return REGISTRY.get_sample_value(name, labels) or 0.0


class Gain:
    """By how much a series has grown since this was made."""

    def __init__(self, name: str, **labels: str) -> None:
        self._name, self._labels = name, labels
        self._before = value(name, **labels)

    def __call__(self) -> float:
        return value(self._name, **self._labels) - self._before


def series() -> Iterator[Sample]:
    """All of ours, whoever made them."""
    for family in REGISTRY.collect():
        yield from (sample for sample in family.samples if sample.name.startswith(OURS))
