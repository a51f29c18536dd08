"""Executions for a person at a terminal: a table of many, a page of one."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from rich.text import Text

from api.executions.documents import (
    Execution,
    ExecutionRefusedAnswer,
    ExecutionStep,
    ExecutionSummary,
    summary_of,
)
from api.executions.shown import shown
from blocks.clock import utc_now
from blocks.contracts.reading.uuids import spellings
from blocks.contracts.records import ExecutionRecord
from blocks.executions.missing import MissingExecution, missing_executions
from blocks.executions.retention import OldExecutions, old_executions
from blocks.ports import Between, NotFound, Query
from blocks.services import open_store
from blocks.settings import load_settings
from deployments.prefect.server import prefect_of, use_prefect
from deployments.printing import (
    Cell,
    PlainTable,
    console,
    facts_of,
    say_json,
    say_line,
    styled,
    table_of,
    text_of_lines,
)

COLOURS = {
    "completed": "green",
    "failed": "red",
    "cancelled": "yellow",
    "unreported": "yellow",
    "awaiting_approval": "magenta",
    "waiting": "blue",
    "running": "cyan",
    "pending": "dim",
}


async def query_executions(
    tenant_id: str,
    limit: int,
    *,
    workflow: str | None = None,
    status: str | None = None,
    subject: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[ExecutionSummary]:
    """The newest that match; the moments are in UTC."""
    named = {"workflow": workflow, "status": status, "subject": subject and spellings(subject)}
    where: dict[str, Any] = {name: value for name, value in named.items() if value}
    where["created_at"] = Between(since=since, until=until)
    async with open_store(load_settings()) as store:
        page = await store.query(tenant_id, Query(ExecutionRecord, where, limit=limit))
    return [summary_of(stored.record) for stored in page.items]


async def query_missing(since: datetime) -> list[MissingExecution]:
    """What Prefect has carried since then and the store lacks."""
    settings = use_prefect(load_settings())
    from blocks.adapters.prefect.flow_runs import PrefectFlowRuns

    async with (
        open_store(settings) as store,
        PrefectFlowRuns(settings.prefect.api_url) as flow_runs,
    ):
        return await missing_executions(store, flow_runs, since)


async def query_deletable(kept_days: int) -> list[OldExecutions]:
    """At most so many would be deleted, if executions were kept for so many days."""
    async with open_store(load_settings()) as store:
        return await old_executions(store, utc_now() - timedelta(days=kept_days))


async def read_execution(tenant_id: str, id: str) -> Execution:
    """With its steps, in the workflow's order. Raises `NotFound` with a readable message."""
    settings = load_settings()
    async with open_store(settings) as store:
        try:
            execution = (await store.read(tenant_id, ExecutionRecord, id)).record
        except NotFound:
            raise NotFound(f"tenant {tenant_id} has no execution {id}") from None
        return await shown(store, execution, prefect_of(settings))


def print_executions(found: Sequence[ExecutionSummary], *, as_json: bool) -> None:
    if as_json:
        for execution in found:
            say_json(execution)
        return
    if not found:
        say_line("no executions")
        return
    table = table_of(
        "ID", "WORKFLOW", "SUBJECT", "STATUS", "CREATED", "TOOK", "ERROR", wraps=("ERROR",)
    )
    for execution in found:
        table.add_row(
            execution.id,
            execution.workflow,
            execution.subject,
            _coloured(execution.status),
            _moment(execution.created_at),
            _took(execution),
            execution.error or "",
        )
    console().print(table)


def print_missing(missing: Sequence[MissingExecution], *, as_json: bool) -> None:
    if as_json:
        for one in missing:
            say_json(one)
        return
    if not missing:
        say_line("none is missing")
        return
    table = table_of("TENANT", "EXECUTION", "FLOW RUN", "NAME", wraps=("NAME",))
    for one in missing:
        table.add_row(one.tenant_id, one.execution_id, one.flow_run_id, one.flow_run_name)
    console().print(table)


def print_deletable(found: Sequence[OldExecutions], *, as_json: bool) -> None:
    if as_json:
        for one in found:
            say_json(one)
        return
    if not found:
        say_line("none would be deleted")
        return
    table = table_of("TENANT", "WORKFLOW", "EXECUTIONS")
    for one in found:
        table.add_row(one.tenant_id, one.workflow, f"{one.executions:,}")
    console().print(table)


def print_execution(execution: Execution, *, as_json: bool) -> None:
    if as_json:
        say_json(execution, indent=2)
        return
    out = console()
    out.print(_facts(execution))
    out.print()
    is_journey = any(step.attempts is not None for step in execution.steps)
    out.print((phases_table if is_journey else steps_table)(execution.steps))


def phases_table(steps: Sequence[ExecutionStep]) -> PlainTable:
    """Every phase of a journey and of its claims, with its attempts, duration and outcome."""
    table = table_of("STEP", "CLAIM", "STATUS", "TRIES", "TOOK", "RESULT", wraps=("RESULT",))
    for step in steps:
        took = "" if step.duration_ms is None else f"{step.duration_ms / 1000:.1f} s"
        table.add_row(
            step.step,
            step.claim_id or "",
            _coloured(step.status),
            str(step.attempts or 0),
            took,
            step.error or _compact(step.result),
        )
    return table


def steps_table(steps: Sequence[ExecutionStep]) -> PlainTable:
    """Every step with how it ended and what it found."""
    table = table_of("STEP", "STATUS", "AT", "RESULT", wraps=("RESULT",))
    for step in steps:
        at = f"{step.completed_at:%H:%M:%S}" if step.completed_at else ""
        table.add_row(step.step, _coloured(step.status), at, step.error or _compact(step.result))
    return table


def _facts(execution: Execution) -> PlainTable:
    facts: dict[str, Cell] = {
        "execution": execution.id,
        "workflow": execution.workflow,
        "tenant": execution.tenant_id,
        "subject": execution.subject,
        "status": _coloured(execution.status),
        "created": _moment(execution.created_at),
        "took": _took(execution),
        "triggers": text_of_lines(
            f"{trigger.event_type} {trigger.event_id}" for trigger in execution.triggers
        ),
        "in Prefect": execution.flow_run_url,
        "retries": f"{execution.retries}, last ended {_ended_before(execution)}"
        if execution.retries
        else None,
        "rerun of": execution.rerun_of,
        "definition": _definition(execution.definition_version),
        "missing": ", ".join(execution.missing_steps),
        "failed step": execution.failed_step,
        "error": execution.error and f"{execution.error} ({execution.error_code})",
        "refused answers": text_of_lines(map(_refused, execution.refused_answers)),
    }
    return facts_of(facts)


def _refused(answer: ExecutionRefusedAnswer) -> str:
    return f"{answer.step} {answer.code}: {answer.reason} (dead letter {answer.dead_letter_id})"


def _definition(version: int | None) -> str | None:
    if version is None:
        return None
    return f"version {version}" if version else "the platform's defaults"


def _ended_before(execution: Execution) -> str:
    end = execution.previous_outcomes[-1]
    return f"{end.status}: {end.error} ({end.error_code})"


def _coloured(status: str) -> Text:
    return styled(status, COLOURS.get(status))


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}Z"


def _took(execution: ExecutionSummary) -> str:
    if execution.completed_at is None:
        return ""
    return f"{(execution.completed_at - execution.created_at).total_seconds():.1f} s"


def _compact(result: Mapping[str, Any] | None) -> str:
    """A result on one line: lists by their length, ids left out."""
    if not result:
        return ""
    return ", ".join(
        f"{name} {len(value) if isinstance(value, list) else value}"
        for name, value in result.items()
        if not name.endswith("Id") and value is not None
    )
