"""Prefect's flow runs, as far as this system needs them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

import msgspec

REFUSED = "Refused"
"""Name of a failed state: the run has refused its parameters, and no execution was its own."""


class FlowRunView(msgspec.Struct, frozen=True, kw_only=True):
    """Prefect's view of a flow run. `state` is its type in lower case, `run_count` its starts."""

    id: str
    name: str = ""
    state: str
    state_name: str
    state_at: datetime
    run_count: int
    message: str | None
    scheduled_at: datetime | None = None
    """When it was first to start."""
    tenant_id: str
    execution_ids: list[str]
    job: str | None = None
    """The batch job that the run triggers; its execution names the run, not the other way round."""
    opens_for: str | None = None
    """For what the run opens its execution: the subject that a person named in Prefect, or the
    platform, whose operation it is.
    """
    kept_from_others: bool = False
    """Its process has tried it again once: until it is rescheduled, Prefect shows it to no other
    worker.
    """
    own_process: bool = False
    """It runs in an interpreter of its own, which is seconds from its claim to its first line."""
    in_a_queue: bool = True
    """A work pool has it. Without one, it stays scheduled for ever: no worker gets it."""

    @property
    def opens_its_own(self) -> bool:
        """Whether it opens its execution itself: for a tick, or for a person."""
        return bool(self.job or self.opens_for)


class UpcomingTick(msgspec.Struct, frozen=True, kw_only=True):
    """A run that Prefect's scheduler has made for a later tick of a batch job."""

    flow_run_id: str
    name: str
    job: str
    at: datetime


class FlowRuns(Protocol):
    """Prefect, as far as we need it: start, see, stop and reschedule runs of a workflow's
    deployment. A request that a person or a timer may wait for (`resume`, `cancel`, `rename`,
    `show_carried`, `ping`) answers or raises `Unavailable` within ten seconds, any other within
    about a minute.
    """

    async def start(
        self, workflow: str, tenant_id: str, execution_ids: Sequence[str], *, key: str, name: str
    ) -> str:
        """A flow run of the deployment is scheduled, once per `key`; returns its id. Raises
        `Unavailable` also while the deployment has no work pool.
        """
        ...

    async def record_completed(
        self, deployment: str, *, key: str, name: str, parameters: Mapping[str, str], message: str
    ) -> str:
        """Work that was done outside Prefect shows as a completed run of the deployment
        (`flow/name`), once per `key`; nothing runs. Returns its id.
        """
        ...

    async def upcoming_ticks(self) -> list[UpcomingTick]:
        """The next runs of the batch jobs' schedules, soonest first, at most 200."""
        ...

    async def rename(self, flow_run_id: str, name: str) -> None:
        """The run has this name. Raises `NotFound`."""
        ...

    async def show_carried(
        self, flow_run_id: str, tenant_id: str, execution_ids: Sequence[str], *, name: str
    ) -> None:
        """The run, which dispatchers have made, stands for these executions, under this name.
        Raises `NotFound`.
        """
        ...

    async def list_runs(
        self, *, states: Sequence[str], name: str | None = None, since: datetime | None = None
    ) -> list[FlowRunView]:
        """Our flow runs in these state types (lower case), oldest first, whose state is not older
        than `since`.

        With `name`, only those whose state has this name.
        """
        ...

    async def read_runs(self, flow_run_ids: Sequence[str]) -> list[FlowRunView]:
        """Those of these runs that exist in Prefect, in no order."""
        ...

    async def reschedule(self, run: FlowRunView, reason: str) -> None:
        """A run without a living worker is scheduled again, under the same id, for any worker, and
        before what was to start after it.
        """
        ...

    async def reschedules(self, flow_run_id: str) -> int:
        """How often the run was rescheduled. Raises `NotFound`."""
        ...

    async def resume(self, flow_run_id: str, run_input: Mapping[str, Any]) -> bool:
        """The suspended run goes on with this input. False if Prefect refused it (not suspended,
        wrong input).
        """
        ...

    async def cancel(self, flow_run_id: str) -> None:
        """Prefect was asked to cancel the run."""
        ...

    async def mark_crashed(self, flow_run_id: str, reason: str) -> None:
        """Crashed, for a run whose worker died and that is not to run again."""
        ...

    async def mark_cancelled(self, flow_run_id: str, reason: str) -> None:
        """Cancelled, for a run whose worker died while cancelling it; nothing else reports it."""
        ...

    async def delete(self, flow_run_id: str) -> None:
        """Prefect has no such run, before or after."""
        ...

    async def ping(self) -> None:
        """Raises `Unavailable` unless Prefect's API answers now."""
        ...
