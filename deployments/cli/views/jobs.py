"""The batch jobs for a person at a terminal: when each runs next, and what became of
its last run.
"""

from datetime import datetime
from typing import Any

from rich.text import Text

from blocks.clock import utc_now
from blocks.contracts.jobs import JOBS
from blocks.contracts.records import ExecutionRecord
from blocks.jobs import triggers
from blocks.schedules.cron import next_time
from blocks.services import open_store
from blocks.settings import load_settings
from deployments.cli.views.executions import COLOURS
from deployments.printing import console, say_json, styled, table_of


async def print_jobs(*, as_json: bool) -> None:
    settings = load_settings()
    schedules = settings.batch_jobs
    async with open_store(settings) as store:
        last_runs = await triggers.last_runs(store)
    now = utc_now()
    schedule = f"SCHEDULE ({schedules.timezone})"
    table = table_of(
        "JOB", schedule, "NEXT RUN", "LAST RUN", "BY", "LAST RESULT", wraps=("LAST RESULT",)
    )
    for job in JOBS:
        last = last_runs.get(job.id)
        cron = schedules.cron_of(job)
        next_run = (
            await next_time(cron, schedules.timezone, now) if schedules.is_active(job) else None
        )
        if as_json:
            say_json(_as_json(job.id, cron, next_run, last))
        table.add_row(
            job.id,
            cron,
            _moment(next_run) if next_run else styled("inactive", "dim"),
            _moment(last.started_at or last.created_at) if last else styled("never", "dim"),
            str(last.input["triggeredBy"]) if last else "",
            _result(last) if last else "",
        )
    if not as_json:
        console().print(table)


def _as_json(
    job: str, cron: str, next_run: datetime | None, last: ExecutionRecord | None
) -> dict[str, Any]:
    return {"job": job, "schedule": cron, "nextRun": next_run, "lastRun": last}


def _result(execution: ExecutionRecord) -> Text:
    words = {"running": "triggered, not reported yet", "pending": "not triggered yet"}
    outcome = styled(words.get(execution.status, execution.status), COLOURS[execution.status])
    if execution.error and execution.status != "unreported":
        return Text.assemble(outcome, styled(f": {execution.error}", None))
    return outcome


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}Z"
