"""Operations for a person at a terminal: what there is, its runs, and the log of events."""

from datetime import datetime

import msgspec

from blocks.clock import utc_now
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.operations import OPERATIONS, Operation
from blocks.contracts.records.operations import EventRecord
from blocks.observability.plain_text import cut
from blocks.operations.runs import Run, known_operation, newest_runs
from blocks.operations.schedules import is_active, why_inactive
from blocks.ports import Query
from blocks.schedules.cron import next_time
from blocks.services import open_store
from blocks.settings import Settings, load_settings
from deployments.cli.views.executions import COLOURS
from deployments.printing import console, say_json, say_line, styled, table_of


async def print_workflows(*, as_json: bool) -> None:
    """Every operation, with its newest run."""
    settings = load_settings()
    schedule = f"SCHEDULE ({settings.operations.timezone})"
    table = table_of(
        "WORKFLOW",
        schedule,
        "NEXT RUN",
        "EVENTS",
        "LAST RUN",
        "RESULT",
        wraps=("NEXT RUN", "EVENTS"),
    )
    async with open_store(settings) as store:
        for operation in OPERATIONS:
            last = next(iter(await newest_runs(store, [operation], limit=1)), None)
            next_run = await _next_run(operation, settings)
            inactive = why_inactive(operation, settings) if operation.cron else None
            events = settings.operations.events_of(operation)
            cron = settings.operations.schedule_of(operation).cron if operation.cron else None
            if as_json:
                say_json(
                    {
                        "workflow": operation.id,
                        "schedule": cron,
                        "nextRun": next_run,
                        "inactive": inactive,
                        "events": events,
                        "lastRun": _fields(last) if last else None,
                    }
                )
            table.add_row(
                operation.id,
                cron or "",
                _moment(next_run) if next_run else styled(_inactive(inactive), "dim"),
                ", ".join(events),
                _moment(last.started_at) if last else styled("never", "dim"),
                styled(last.execution.status, COLOURS[last.execution.status]) if last else "",
            )
    if not as_json:
        console().print(table)


async def print_runs(workflow: str | None, limit: int, *, as_json: bool) -> None:
    """The newest runs, of one operation or of all. Raises `UnknownOperation`."""
    wanted = [known_operation(workflow)] if workflow else OPERATIONS
    async with open_store(load_settings()) as store:
        runs = await newest_runs(store, wanted, limit=limit)
    if as_json:
        for run in runs:
            say_json(_fields(run))
        return None
    if not runs:
        return say_line("no runs")
    table = table_of("RUN", "WORKFLOW", "ABOUT", "STARTED", "STATUS", "STEP", "WHY", wraps=("WHY",))
    for run in runs:
        record = run.execution
        table.add_row(
            run.id,
            record.workflow,
            record.subject,
            _moment(run.started_at),
            styled(record.status, COLOURS[record.status]),
            run.current_step or "",
            record.error or "",
        )
    return console().print(table)


async def print_events(event_type: str | None, limit: int, *, as_json: bool) -> None:
    """The newest events of the log."""
    of_type = {"event_type": event_type} if event_type else {}
    async with open_store(load_settings()) as store:
        page = await store.query(SYSTEM_TENANT, Query(EventRecord, of_type, limit=limit))
    found = [stored.record for stored in page.items]
    if as_json:
        for event in found:
            say_json(event)
        return None
    if not found:
        return say_line("no events")
    table = table_of("AT", "ID", "TYPE", "SOURCE", "PAYLOAD", wraps=("PAYLOAD",))
    for event in found:
        payload = cut(msgspec.json.encode(event.payload).decode(), 200)
        at = f"{event.occurred_at:%Y-%m-%d %H:%M:%S}Z"
        table.add_row(at, event.event_id, event.event_type, event.source, payload)
    return console().print(table)


async def _next_run(operation: Operation, settings: Settings) -> datetime | None:
    if not is_active(operation, settings):
        return None
    operations = settings.operations
    cron = operations.schedule_of(operation).cron
    return await next_time(cron, operations.timezone, utc_now())


def _inactive(reason: str | None) -> str:
    return f"inactive: {reason}" if reason else "none"


def _fields(run: Run) -> dict[str, object]:
    return {
        "runId": run.id,
        "workflow": run.execution.workflow,
        "executionId": run.execution.id,
        "status": run.status,
        "startedAt": run.started_at,
        "completedAt": run.execution.completed_at,
        "currentStep": run.current_step,
        "stepResults": run.step_results,
        "error": run.execution.error,
    }


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}Z"
