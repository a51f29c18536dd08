"""Undoes what an in-process retry leaves behind on Prefect's server."""

from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun

AWAITING_RETRY = "AwaitingRetry"
"""The state's name while the process that carries a run waits for its next try; its type is
Scheduled.
"""


async def open_to_any_worker(client: PrefectClient, flow_run_id: UUID) -> None:
    """Whenever the run is scheduled from now on, any worker may pick it up.

    A run that its process has tried again once is withheld from all workers for good: the server's
    queries leave out runs whose `retry_type` is `in_process`, and nothing but a refused further try
    resets it. Rescheduled after its worker died, or resumed after a suspension, it would wait for
    ever.
    """
    run = await client.read_flow_run(flow_run_id)
    if is_kept_from_others(run):
        run.empirical_policy.retry_type = None
        await client.update_flow_run(flow_run_id, empirical_policy=run.empirical_policy)


def is_kept_from_others(run: FlowRun) -> bool:
    """Its process has tried it again; `open_to_any_worker` undoes it."""
    return run.empirical_policy.retry_type == "in_process"
