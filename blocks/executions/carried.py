"""Which executions are in a flow run that has not ended."""

from collections.abc import Iterable

from blocks.ports import FlowRuns, FlowRunView

_UNENDED = ("scheduled", "pending", "running")
"""State types of a run that a worker has, or will have. A suspended run is paused: its executions
wait for a person.
"""


async def unended_runs(flow_runs: FlowRuns) -> list[FlowRunView]:
    """The runs that carry executions and are scheduled, pending or running, oldest first."""
    return [run for run in await flow_runs.list_runs(states=_UNENDED) if run.execution_ids]


def carried_by(runs: Iterable[FlowRunView]) -> frozenset[str]:
    """The ids of the executions of these runs."""
    return frozenset(execution_id for run in runs for execution_id in run.execution_ids)
