"""Executions for a person at a terminal: a table of many, a page of one."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.text import Text

from blocks.claims.steps import PhaseStep, phase_steps
from blocks.contracts.records import ExecutionRecord, RefusedAnswer, StepRecord
from blocks.contracts.workflows import WORKFLOWS, known_steps
from blocks.executions.steps import by_step
from blocks.ports import Between, NotFound, Query
from blocks.services import open_store
from blocks.settings import load_settings
from deployments.prefect.server import flow_run_url
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
    where: Mapping[str, Any],
    limit: int,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[ExecutionRecord]:
    """The newest that match; the moments are in UTC."""
    created = Between(since=since, until=until)
    async with open_store(load_settings()) as store:
        page = await store.query(
            tenant_id, Query(ExecutionRecord, {**where, "created_at": created}, limit=limit)
        )
    return [stored.record for stored in page.items]


async def read_execution(
    tenant_id: str, id: str
) -> tuple[ExecutionRecord, list[StepRecord] | list[PhaseStep]]:
    """The record and its steps, in the workflow's order. Raises `NotFound` with a
    readable message.
    """
    async with open_store(load_settings()) as store:
        try:
            execution = (await store.read(tenant_id, ExecutionRecord, id)).record
        except NotFound:
            raise NotFound(f"tenant {tenant_id} has no execution {id}") from None
        if phases := await phase_steps(store, execution):
            return execution, phases
        page = await store.query(
            tenant_id, Query(StepRecord, {"execution_id": id}, newest_first=False)
        )
    workflow = WORKFLOWS.get(execution.workflow)
    places = {name: place for place, name in enumerate(workflow.steps if workflow else ())}
    steps = [stored.record for stored in page.items]
    return execution, sorted(steps, key=lambda step: places.get(step.step, len(places)))


def print_executions(found: Sequence[ExecutionRecord], *, as_json: bool) -> None:
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


def print_execution(
    execution: ExecutionRecord,
    steps: Sequence[StepRecord] | Sequence[PhaseStep],
    *,
    as_json: bool,
) -> None:
    url = flow_run_url(load_settings(), execution.flow_run_id)
    if as_json:
        shown = {"execution": execution, "steps": steps}
        say_json({**shown, "flowRunUrl": url} if url else shown, indent=2)
        return
    out = console()
    out.print(_facts(execution, url))
    out.print()
    of_journey = [step for step in steps if isinstance(step, PhaseStep)]
    if of_journey:
        out.print(phases_table(of_journey))
        return
    recorded = [step for step in steps if isinstance(step, StepRecord)]
    out.print(steps_table(execution, recorded))


def phases_table(steps: Sequence[PhaseStep]) -> PlainTable:
    """Every phase of a journey and of its claims, with its attempts, duration and outcome."""
    table = table_of("STEP", "CLAIM", "STATUS", "TRIES", "TOOK", "RESULT", wraps=("RESULT",))
    for step in steps:
        took = "" if step.duration_ms is None else f"{step.duration_ms / 1000:.1f} s"
        table.add_row(
            step.step,
            step.claim_id or "",
            _coloured(step.status),
            str(step.attempts),
            took,
            step.error or _compact(step.result),
        )
    return table


def steps_table(execution: ExecutionRecord, steps: Sequence[StepRecord]) -> PlainTable:
    """Every step with how it ended and what it found; those without a record, too."""
    recorded = by_step(execution, steps)
    names = known_steps(execution.workflow) or tuple(recorded)
    table = table_of("STEP", "STATUS", "AT", "RESULT", wraps=("RESULT",))
    for name in names:
        step = recorded.get(name)
        if step is None:
            table.add_row(
                name, _coloured("skipped" if execution.is_terminal else execution.status), "", ""
            )
        else:
            found = step.error or _compact(step.result)
            table.add_row(name, _coloured(step.status), f"{step.completed_at:%H:%M:%S}", found)
    return table


def _facts(execution: ExecutionRecord, in_prefect: str | None) -> PlainTable:
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
        "flow run": execution.flow_run_id,
        "in Prefect": in_prefect,
        "retries": f"{execution.retries}, last ended {_ended_before(execution)}"
        if execution.retries
        else None,
        "rerun of": execution.rerun_of,
        "definition": _definition(execution.definition_version),
        "announced": _moment(execution.announced_at) if execution.announced_at else None,
        "missing": ", ".join(execution.missing_steps),
        "failed step": execution.failed_step,
        "error": execution.error and f"{execution.error} ({execution.error_code})",
        "refused answers": text_of_lines(map(_refused, execution.refused_answers)),
    }
    return facts_of(facts)


def _refused(answer: RefusedAnswer) -> str:
    return f"{answer.step} {answer.code}: {answer.reason} (dead letter {answer.dead_letter_id})"


def _definition(version: int | None) -> str | None:
    if version is None:
        return None
    return f"version {version}" if version else "the platform's defaults"


def _ended_before(execution: ExecutionRecord) -> str:
    end = execution.previous_outcomes[-1]
    return f"{end.status}: {end.error} ({end.error_code})"


def _coloured(status: str) -> Text:
    return styled(status, COLOURS.get(status))


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}Z"


def _took(execution: ExecutionRecord) -> str:
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
