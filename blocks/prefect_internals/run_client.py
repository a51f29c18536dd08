"""Prefect's client as the engine of one run in a shared process uses it: with two requests fewer.

The engine asks for the run when its flow begins, and writes the flow's version and retries into it:
of the five requests in a row between a poll and the flow's first line, the two that bring nothing
new. The worker has had the run from its poll a moment before, and the server reads the retries only
when a run fails. There is no setting for either.
"""

from typing import Any
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun

_AT_THE_START = frozenset({"flow_version", "empirical_policy"})
"""What the engine writes before the run begins, and nothing else."""


class RunClient(PrefectClient):
    """Shares everything with the client that it is made of, connections among it."""

    def __init__(self, shared: PrefectClient, run: FlowRun) -> None:
        vars(self).update(vars(shared))
        self._run: FlowRun | None = run
        self._postponed: dict[str, Any] = {}

    async def read_flow_run(self, flow_run_id: UUID) -> FlowRun:
        """The run as the worker knows it, the first time; later and others as the server does."""
        known, self._run = self._run, None
        if known and known.id == flow_run_id:
            return known
        return await super().read_flow_run(flow_run_id)

    async def update_flow_run(self, flow_run_id: UUID, **changes: Any) -> Any:  # type: ignore[override]
        """Sent at once, but for what the engine writes at the start; see `send_postponed`."""
        if self._run and changes.keys() == _AT_THE_START:
            self._postponed = {"flow_run_id": flow_run_id, **changes}
            return None
        return await super().update_flow_run(flow_run_id, **changes)

    async def send_postponed(self) -> None:
        """What the server needs to know of a run before it fails."""
        if self._postponed:
            postponed, self._postponed = self._postponed, {}
            await super().update_flow_run(**postponed)
