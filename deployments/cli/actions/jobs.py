"""A batch job triggered from the command line."""

from collections.abc import Mapping
from uuid import uuid4

from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.jobs import checked_metadata, job_named
from blocks.contracts.records import ExecutionRecord
from blocks.jobs import triggers
from blocks.jobs.shown import show_in_prefect
from blocks.services import open_bus, open_store
from blocks.settings import Settings, load_settings
from deployments.cli.acts import audited
from deployments.prefect.server import use_prefect
from deployments.printing import say_line


async def trigger_one(
    job_id: str, metadata: Mapping[str, object], request_id: str | None, actor: str
) -> None:
    """The trigger is confirmed, and its ids are printed.

    Raises `InvalidTrigger`, `RequestReused`, `Unavailable`.
    """
    job = job_named(job_id)
    request = triggers.by_hand(
        job, "cli", f"cli {request_id or uuid4()}", checked_metadata(job, metadata)
    )
    settings = load_settings()
    async with (
        open_store(settings) as store,
        open_bus(settings, "cli") as bus,
        audited(store, SYSTEM_TENANT, "jobs trigger", actor, job.id) as recorded,
    ):
        execution = await triggers.trigger(recorded, bus, request)
    await show(settings, execution)
    say_line(f"triggered {job.id}: event {execution.trigger_ids[0]}")
    say_line(f"orchestrator executions show {execution.id} --tenant {SYSTEM_TENANT}")


async def show(settings: Settings, *executions: ExecutionRecord) -> None:
    """The triggers are in Prefect's list of runs, unless it does not answer: they are out, so that
    is no error.
    """
    settings = use_prefect(settings)

    from blocks.adapters.prefect.flow_runs import PrefectFlowRuns  # after the environment is set

    async with PrefectFlowRuns(settings.prefect.api_url) as flow_runs:
        for execution in executions:
            if not await show_in_prefect(flow_runs, execution):
                say_line("Prefect does not answer: its list of runs lacks the trigger", error=True)
                return
