"""The batch jobs for a person at a terminal: when each runs next, and what became of
its last run.
"""

from collections.abc import Sequence
from datetime import datetime

from rich.text import Text

from api.jobs.documents import BatchJob, JobRun, job_of
from blocks.contracts.jobs import JOBS
from blocks.jobs import triggers
from blocks.services import open_store
from blocks.settings import load_settings
from deployments.cli.views.executions import COLOURS
from deployments.printing import console, say_json, styled, table_of


async def query_jobs() -> list[BatchJob]:
    settings = load_settings()
    async with open_store(settings) as store:
        last = await triggers.last_runs(store)
    return [await job_of(job, settings.batch_jobs, last.get(job.id)) for job in JOBS]


def print_jobs(jobs: Sequence[BatchJob], *, as_json: bool) -> None:
    if as_json:
        for job in jobs:
            say_json(job)
        return
    schedule = f"SCHEDULE ({', '.join({job.time_zone for job in jobs})})"
    table = table_of(
        "JOB", schedule, "NEXT RUN", "LAST RUN", "BY", "LAST RESULT", wraps=("LAST RESULT",)
    )
    for job in jobs:
        last = job.last_run
        table.add_row(
            job.job,
            job.schedule,
            _moment(job.next_run) if job.next_run else styled("inactive", "dim"),
            _moment(last.triggered_at) if last else styled("never", "dim"),
            last.triggered_by if last else "",
            _result(last) if last else "",
        )
    console().print(table)


def _result(run: JobRun) -> Text:
    words = {"running": "triggered, not reported yet", "pending": "not triggered yet"}
    outcome = styled(words.get(run.status, run.status), COLOURS[run.status])
    if run.error and run.status != "unreported":
        return Text.assemble(outcome, styled(f": {run.error}", None))
    return outcome


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}Z"
