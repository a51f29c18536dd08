"""What Prefect says of the runs in this process: one request for all of them, in place of a web socket for each.

Prefect's events about cancelling and suspension can be lost, states cannot.
"""

from collections.abc import Collection
from uuid import UUID

from prefect._flow_run_suspension import mark_flow_run_suspension_requested
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId, FlowRunFilterState, FlowRunFilterStateType
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort

from deployments.in_process_engine import InProcessFlowRunEngine, Stop

_AT_WORK = [StateType.PENDING, StateType.RUNNING]


async def runs_that_moved(client: PrefectClient, flow_run_ids: Collection[UUID]) -> list[FlowRun]:
    """Those of these runs that Prefect no longer holds to be pending or running, at most 200."""
    if not flow_run_ids:
        return []
    return await client.read_flow_runs(
        flow_run_filter=FlowRunFilter(
            id=FlowRunFilterId(any_=list(flow_run_ids)),
            state=FlowRunFilterState(type=FlowRunFilterStateType(not_any_=_AT_WORK)),
        ),
        # Left out, the client sends null for both, which the server refuses with 422.
        sort=FlowRunSort.ID_DESC,
        limit=200,
    )


def follow(engine: InProcessFlowRunEngine, flow_run: FlowRun) -> None:
    """The engine does what the run's state asks for: stop as cancelled, suspend at its next task, or let go."""
    state = flow_run.state
    if state is None:
        return
    match state.type, state.name:
        case StateType.CANCELLING, _:
            engine.end(Stop.CANCELLED)
        case StateType.PAUSED, "Suspended":
            mark_flow_run_suspension_requested(flow_run.id, state)
        case (StateType.PAUSED, _) | (StateType.SCHEDULED, "AwaitingRetry"):
            pass  # the engine waits by itself
        case _ if engine.is_running():
            # Ended, resumed or rescheduled by others while this engine thinks that it runs.
            engine.end(Stop.SUPERSEDED)
