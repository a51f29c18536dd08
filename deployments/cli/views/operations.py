"""Operations for a person at a terminal: what there is, its runs, and the log of events."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from msgspec.structs import asdict

from api.operations.documents import PlatformEvent, Run, cron_of, event_of, run_of
from blocks.clock import utc_now
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.operations import OPERATIONS, Operation
from blocks.contracts.records.operations import EventRecord
from blocks.observability.plain_text import cut
from blocks.operations.runs import known_operation, newest_runs
from blocks.operations.schedules import is_active, why_inactive
from blocks.ports import Query
from blocks.schedules.cron import next_time
from blocks.services import open_store
from blocks.settings import Settings, load_settings
from deployments.cli.views.executions import COLOURS
from deployments.printing import console, say_json, say_line, styled, table_of


class ListedWorkflow(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An operation, when it runs next, and its newest run."""

    workflow: str
    schedule: str | None
    time_zone: str | None
    next_run: datetime | None
    inactive: str | None
    """Why its schedule is off."""
    events: list[str]
    last_run: Run | None


class ListedRun(Run, frozen=True, kw_only=True):
    """A run, and what it is about."""

    subject: str


async def query_workflows() -> list[ListedWorkflow]:
    settings, found = load_settings(), []
    async with open_store(settings) as store:
        for operation in OPERATIONS:
            last = next(iter(await newest_runs(store, [operation], limit=1)), None)
            one = ListedWorkflow(
                workflow=operation.id,
                schedule=cron_of(operation, settings),
                time_zone=settings.operations.timezone,
                next_run=await _next_run(operation, settings),
                inactive=why_inactive(operation, settings) if operation.cron else None,
                events=settings.operations.events_of(operation),
                last_run=run_of(last) if last else None,
            )
            found.append(one)
    return found


async def query_runs(workflow: str | None, limit: int) -> list[ListedRun]:
    """The newest runs, of one operation or of all. Raises `UnknownOperation`."""
    wanted = [known_operation(workflow)] if workflow else OPERATIONS
    async with open_store(load_settings()) as store:
        runs = await newest_runs(store, wanted, limit=limit)
    return [ListedRun(**asdict(run_of(run)), subject=run.execution.subject) for run in runs]


async def query_events(event_type: str | None, limit: int) -> list[PlatformEvent]:
    """The newest events of the log."""
    of_type = {"event_type": event_type} if event_type else {}
    async with open_store(load_settings()) as store:
        page = await store.query(SYSTEM_TENANT, Query(EventRecord, of_type, limit=limit))
    return [event_of(stored.record) for stored in page.items]


def print_workflows(found: Sequence[ListedWorkflow], *, as_json: bool) -> None:
    if as_json:
        for one in found:
            say_json(one)
        return
    zones = ", ".join(sorted({one.time_zone for one in found if one.time_zone}))
    table = table_of(
        "WORKFLOW",
        f"SCHEDULE ({zones})" if zones else "SCHEDULE",
        "NEXT RUN",
        "EVENTS",
        "LAST RUN",
        "RESULT",
        wraps=("NEXT RUN", "EVENTS"),
    )
    for one in found:
        last = one.last_run
        table.add_row(
            one.workflow,
            one.schedule or "",
            _moment(one.next_run) if one.next_run else styled(_inactive(one), "dim"),
            ", ".join(one.events),
            _moment(last.started_at) if last else styled("never", "dim"),
            styled(last.execution_status, COLOURS[last.execution_status]) if last else "",
        )
    console().print(table)


def print_runs(runs: Sequence[ListedRun], *, as_json: bool) -> None:
    if as_json:
        for run in runs:
            say_json(run)
        return
    if not runs:
        say_line("no runs")
        return
    table = table_of("RUN", "WORKFLOW", "ABOUT", "STARTED", "STATUS", "STEP", "WHY", wraps=("WHY",))
    for run in runs:
        table.add_row(
            run.run_id,
            run.workflow_id,
            run.subject,
            _moment(run.started_at),
            styled(run.execution_status, COLOURS[run.execution_status]),
            run.current_step or "",
            run.error or "",
        )
    console().print(table)


def print_events(found: Sequence[PlatformEvent], *, as_json: bool) -> None:
    if as_json:
        for event in found:
            say_json(event)
        return
    if not found:
        say_line("no events")
        return
    table = table_of("AT", "ID", "TYPE", "SOURCE", "PAYLOAD", wraps=("PAYLOAD",))
    for event in found:
        payload = cut(msgspec.json.encode(event.payload).decode(), 200)
        at = f"{event.timestamp:%Y-%m-%d %H:%M:%S}Z"
        table.add_row(at, event.id, event.type, event.source, payload)
    console().print(table)


async def _next_run(operation: Operation, settings: Settings) -> datetime | None:
    if not is_active(operation, settings):
        return None
    operations = settings.operations
    cron = operations.schedule_of(operation).cron
    return await next_time(cron, operations.timezone, utc_now())


def _inactive(workflow: ListedWorkflow) -> str:
    if workflow.inactive:
        return f"inactive: {workflow.inactive}"
    return "inactive" if workflow.schedule else "none"


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}Z"
