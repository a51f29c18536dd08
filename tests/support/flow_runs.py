"""An engine that only remembers: for tests of what is asked of Prefect, not of Prefect."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from blocks.ports import FlowRunView, Unavailable, UpcomingTick


class RememberedFlowRuns:
    """All of `FlowRuns` on lists: `runs` is what Prefect knows; `is_down` makes starting
    unavailable.
    """

    def __init__(self) -> None:
        self.started: list[tuple[str, list[str]]] = []
        self.keys: list[str] = []
        self.names: list[str] = []
        self.recorded: dict[str, tuple[str, str, dict[str, str], str]] = {}
        """By key: deployment, name, parameters and message."""
        self.shown: dict[str, tuple[str, list[str], str]] = {}
        """By run: the tenant, the executions and the name that it is shown with."""
        self.upcoming: list[UpcomingTick] = []
        self.is_down = False
        self.refused = 0
        self.resumed: list[str] = []
        self.runs: list[FlowRunView] = []
        self.listed_since: list[datetime | None] = []
        self.rescheduled: list[str] = []
        self.cancelled: list[str] = []
        self.marked_cancelled: list[str] = []
        self.marked_crashed: list[str] = []

    async def start(
        self, workflow: str, tenant_id: str, execution_ids: Sequence[str], *, key: str, name: str
    ) -> str:
        if self.is_down:
            self.refused += 1
            raise Unavailable("Prefect is down")
        self.started.append((tenant_id, list(execution_ids)))
        self.keys.append(key)
        self.names.append(name)
        return f"run-{list(dict.fromkeys(self.keys)).index(key) + 1}"

    async def record_completed(
        self, deployment: str, *, key: str, name: str, parameters: Mapping[str, str], message: str
    ) -> str:
        if self.is_down:
            self.refused += 1
            raise Unavailable("Prefect is down")
        self.recorded.setdefault(key, (deployment, name, dict(parameters), message))
        return f"recorded-{list(self.recorded).index(key)}"

    async def upcoming_ticks(self) -> list[UpcomingTick]:
        return list(self.upcoming)

    async def rename(self, flow_run_id: str, name: str) -> None:
        self.upcoming = [
            msgspec.structs.replace(tick, name=name) if tick.flow_run_id == flow_run_id else tick
            for tick in self.upcoming
        ]

    async def show_carried(
        self, flow_run_id: str, tenant_id: str, execution_ids: Sequence[str], *, name: str
    ) -> None:
        self.shown[flow_run_id] = (tenant_id, list(execution_ids), name)

    async def list_runs(
        self, *, states: Sequence[str], name: str | None = None, since: datetime | None = None
    ) -> list[FlowRunView]:
        self.listed_since.append(since)
        return [
            run
            for run in self.runs
            if run.state in states
            and name in (None, run.state_name)
            and (since is None or run.state_at >= since)
        ]

    async def read_runs(self, flow_run_ids: Sequence[str]) -> list[FlowRunView]:
        return [run for run in self.runs if run.id in flow_run_ids]

    async def reschedule(self, run: FlowRunView, reason: str) -> None:
        self.rescheduled.append(run.id)

    async def reschedules(self, flow_run_id: str) -> int:
        return self.rescheduled.count(flow_run_id)

    async def resume(self, flow_run_id: str, run_input: object) -> bool:
        self.resumed.append(flow_run_id)
        return True

    async def cancel(self, flow_run_id: str) -> None:
        self.cancelled.append(flow_run_id)

    async def mark_crashed(self, flow_run_id: str, reason: str) -> None:
        self.marked_crashed.append(flow_run_id)

    async def mark_cancelled(self, flow_run_id: str, reason: str) -> None:
        self.marked_cancelled.append(flow_run_id)

    async def delete(self, flow_run_id: str) -> None:
        self.runs = [run for run in self.runs if run.id != flow_run_id]

    async def ping(self) -> None: ...
