"""A batch job triggered from the command line."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from uuid import uuid4

from api.jobs.documents import JobTriggered, triggered_of
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
) -> JobTriggered:
    """The trigger is confirmed.

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
    async with prefects_list(settings) as show:
        await show(execution)
    return triggered_of(execution)


Show = Callable[[ExecutionRecord], Awaitable[None]]


@asynccontextmanager
async def prefects_list(settings: Settings) -> AsyncIterator[Show]:
    """Puts triggers that were sent into Prefect's list of runs. When it does not answer, one line
    states so and no more are put there: they are out, so that is no error.
    """
    settings = use_prefect(settings)

    from blocks.adapters.prefect.flow_runs import PrefectFlowRuns  # after the environment is set

    async with PrefectFlowRuns(settings.prefect.api_url) as flow_runs:
        answers = True

        async def show(execution: ExecutionRecord) -> None:
            nonlocal answers
            answers = answers and await show_in_prefect(flow_runs, execution)

        yield show
    if not answers:
        say_line("Prefect did not answer: its list of runs does not show this", error=True)
