"""How a flow run learns that it is suspended. Prefect's public API only lets a flow
suspend itself.
"""

from uuid import UUID

from prefect._flow_run_suspension import (
    FlowRunSuspensionRequest,
    mark_flow_run_suspension_requested,
    register_flow_run_suspension_request,
)
from prefect.client.schemas.objects import State

SuspensionRequest = FlowRunSuspensionRequest
"""Assumed: `raise_if_requested` raises `Pause` once the request was marked, and does nothing
before.
"""

registered = register_flow_run_suspension_request
"""Assumed: while this context lasts, `suspend_at_next_task` finds the request of this run.

The base engine registers it together with an observer: a thread with a web socket for each run.
"""


def suspend_at_next_task(flow_run_id: UUID, state: State) -> bool:
    """The run raises `Pause` at its next task; False: no such run is registered in this process.

    Assumed: marking does what the engine's own observer does.
    """
    return mark_flow_run_suspension_requested(flow_run_id, state)
