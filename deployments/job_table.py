"""The batch jobs for a person at a terminal: when each runs next, and what became of its last run."""

from datetime import datetime
from typing import Any

import click
import msgspec
from rich.table import Table

from blocks import batch_jobs
from blocks.clock import utc_now
from blocks.contracts.jobs import JOBS
from blocks.contracts.records import ExecutionRecord
from blocks.cron import next_time
from blocks.services import open_store
from blocks.settings import load_settings
from deployments.execution_records import COLOURS, console


async def print_jobs(*, as_json: bool) -> None:
    settings = load_settings()
    schedules = settings.batch_jobs
    async with open_store(settings) as store:
        last_runs = await batch_jobs.last_runs(store)
    now = utc_now()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("JOB", f"SCHEDULE ({schedules.timezone})", "NEXT RUN", "LAST RUN", "BY", "LAST RESULT"):
        table.add_column(heading, no_wrap=heading != "LAST RESULT")
    for job in JOBS:
        last = last_runs.get(job.id)
        cron = schedules.cron_of(job)
        next_run = await next_time(cron, schedules.timezone, now) if schedules.is_active(job) else None
        if as_json:
            click.echo(msgspec.json.encode(_as_json(job.id, cron, next_run, last)))
        table.add_row(
            job.id,
            cron,
            _moment(next_run) if next_run else "[dim]inactive[/]",
            _moment(last.started_at or last.created_at) if last else "[dim]never[/]",
            str(last.input["triggeredBy"]) if last else "",
            _result(last) if last else "",
        )
    if not as_json:
        console().print(table)


def _as_json(job: str, cron: str, next_run: datetime | None, last: ExecutionRecord | None) -> dict[str, Any]:
    return {"job": job, "schedule": cron, "nextRun": next_run, "lastRun": last}


def _result(execution: ExecutionRecord) -> str:
    colour = COLOURS[execution.status]
    words = {"running": "triggered, not reported yet", "pending": "not triggered yet"}
    said = f"[{colour}]{words.get(execution.status, execution.status)}[/]"
    return f"{said}: {execution.error}" if execution.error and execution.status != "unreported" else said


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}Z"
