"""What health monitoring knows of earlier looks."""

from datetime import datetime
from typing import ClassVar

from blocks.contracts.reading.normalised import Normalised
from blocks.contracts.records.base import Record


class PartHealth(Normalised, frozen=True, kw_only=True, rename="camel"):
    """How a part of the platform is."""

    problem: str | None
    """As last seen; None: it works."""
    since: datetime
    """So long it fails, or works, without a break."""
    is_down: bool = False
    """Whether it failed for the time of grace, and has not worked for as long since."""


class HealthRecord(Record, frozen=True, kw_only=True, tag="health"):
    """How every part was at the last look of health monitoring; one, under the system tenant."""

    container: ClassVar[str] = "workflow_workflows"
    ID: ClassVar[str] = "health-monitoring"

    parts: dict[str, PartHealth] = {}
