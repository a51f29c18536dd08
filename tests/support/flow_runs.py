"""An engine that only remembers: for tests of what is asked of Prefect, not of Prefect."""

from collections.abc import Sequence
from datetime import datetime

from blocks.ports import FlowRunView, Unavailable


class RememberedFlowRuns:
    """The part of `FlowRuns` that the dispatcher uses; `is_down` makes it unavailable."""

    def __init__(self) -> None:
        self.started: list[tuple[str, list[str]]] = []
        self.keys: list[str] = []
        self.is_down = False
        self.refused = 0
        self.resumed: list[str] = []

    async def start(self, workflow: str, tenant_id: str, execution_ids: Sequence[str], *, key: str, name: str) -> str:
        if self.is_down:
            self.refused += 1
            raise Unavailable("Prefect is down")
        self.started.append((tenant_id, list(execution_ids)))
        self.keys.append(key)
        return f"run-{len(self.started)}"

    async def list_runs(self, *, states: Sequence[str], since: datetime | None = None) -> list[FlowRunView]:
        return []

    async def reschedule(self, flow_run_id: str, reason: str) -> None: ...

    async def resume(self, flow_run_id: str, run_input: object) -> bool:
        self.resumed.append(flow_run_id)
        return True

    async def cancel(self, flow_run_id: str) -> None: ...

    async def ping(self) -> None: ...
