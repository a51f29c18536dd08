"""Which runs Prefect's server tries again, and what its retries leave behind."""

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


async def end_without_retry(client: PrefectClient, flow_run: FlowRun) -> None:
    """The failed state that the run's flow is about to return is its end.

    The server tries a run again that fails within its policy's `retries`, whether its flow has
    raised or has returned the state. Without a number it does not; the engine puts the flow's own
    in again if a person starts the run once more.
    """
    flow_run.empirical_policy.retries = None
    await client.update_flow_run(flow_run.id, empirical_policy=flow_run.empirical_policy)


async def take_retry_by_hand(client: PrefectClient, flow_run: FlowRun) -> bool:
    """Whether a person has started the run again that had ended; True once for each time.

    The server notes it when an ended run is scheduled under its rules; a reconciler's reschedule
    is forced, and leaves no note.
    """
    if flow_run.empirical_policy.retry_type != "reschedule":
        return False
    flow_run.empirical_policy.retry_type = None
    await client.update_flow_run(flow_run.id, empirical_policy=flow_run.empirical_policy)
    return True


def is_kept_from_others(run: FlowRun) -> bool:
    """Its process has tried it again; `open_to_any_worker` undoes it."""
    return run.empirical_policy.retry_type == "in_process"
