"""Processes and what they saw: heartbeats, the reconciler's looks."""

from datetime import datetime
from typing import ClassVar

from blocks.contracts.reading.normalised import Normalised
from blocks.contracts.records.base import Record


class ProcessRecord(Record, frozen=True, kw_only=True, tag="process"):
    """A process's heartbeat, under the system tenant: its role, and its flow runs."""

    container: ClassVar[str] = "workflow_workflows"

    role: str
    """`worker` or `listener`."""
    beat_at: datetime
    ready: bool = True
    flow_run_ids: list[str] = []
    process: str | None = None
    """Its name among all processes, by `blocks.processes.local_process`."""


class Look(Normalised, frozen=True, kw_only=True, rename="camel"):
    """The reconciler's last pass for one kind of drift."""

    at: datetime
    """When it ended."""
    seconds: float
    repaired: int = 0
    """By all leaders since this record exists."""
    error: str | None = None
    """Why it could not see, or not repair."""


class ReconcilerRecord(Record, frozen=True, kw_only=True, tag="mirror"):
    """Which of several reconcilers leads, and what it did; one record under the system tenant.

    The leader renews it every few seconds. A process that sees it unchanged for `lease_seconds` may
    take it over; the ETag admits only one.
    """

    container: ClassVar[str] = "workflow_workflows"
    ID: ClassVar[str] = "mirror"

    leader: str | None
    """None: the last one stopped in good order."""
    leads_since: datetime
    renewed_at: datetime
    lease_seconds: float
    looks: dict[str, Look] = {}
    """By kind of drift."""
