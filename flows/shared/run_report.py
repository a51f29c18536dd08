"""The report of a flow run in Prefect: what was asked and found, who decided, how it ended.

It is written from the records and shows no more of them than the tenant's API does. A run of one
execution has a page; a run of several has a table of them, with their sums above it.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import prefect.runtime.flow_run

from blocks.contracts.records import ExecutionRecord, StepRecord
from blocks.contracts.workflows import WORKFLOWS, known_steps
from blocks.executions.run_names import run_name
from blocks.executions.steps import by_step, step_records
from blocks.prefect_internals.suspension import was_suspended
from blocks.settings import Settings
from blocks.settings.links import execution_url
from flows.shared import artifacts, markdown
from flows.shared.artifacts import Shown
from flows.shared.runtime import Runtime

log = logging.getLogger(__name__)

ROWS_MAX = 200
"""Of a table; executions that completed are left out first."""

SUBJECT_MAX, ERROR_MAX, FINDING_MAX = 80, 200, 300

READ_SECONDS = 10.0
"""So long a run that is done waits for the store, which gives its report what it shows."""


async def report(context: Runtime, records: Sequence[ExecutionRecord]) -> None:
    """The run shows how these, its executions, stand. Nothing is raised, and no run waits for long:
    a report decides nothing.
    """
    if prefect.runtime.flow_run.id is None:
        return
    try:
        async with asyncio.timeout(READ_SECONDS):
            steps = await _steps_of(context, records)
        shown = report_of(records, steps, context.settings)
    except Exception as error:  # of any kind: the run has done its work
        log.warning("this run has no report: %s: %s", type(error).__name__, error)
        return
    await artifacts.show(shown)


async def report_before_the_gate(context: Runtime, record: ExecutionRecord) -> None:
    """The suspended run shows what was found. Once: each resume starts the run from its top."""
    if not was_suspended():
        await report(context, [record])


async def _steps_of(context: Runtime, records: Sequence[ExecutionRecord]) -> list[StepRecord]:
    match records:
        case [record]:
            return await step_records(context.store, record.tenant_id, [record.id])
    return []


def report_of(
    records: Sequence[ExecutionRecord], steps: Sequence[StepRecord], settings: Settings
) -> list[Shown]:
    """The artifacts of a run that carries these. `steps`: of a single one."""
    match records:
        case []:
            return []
        case [record]:
            return [artifacts.markdown(_page(record, steps, settings))]
    rows = [_row(record, settings) for record in _worst_first(records)[:ROWS_MAX]]
    return [artifacts.table(rows, _sums(records))]


# --- one execution --------------------------------------------------------------------------------


def _page(record: ExecutionRecord, steps: Sequence[StepRecord], settings: Settings) -> str:
    title = markdown.text(f"{run_name(record.workflow, {record.id: record.subject})}")
    parts = [
        f"# {title}: {_status(record)}",
        markdown.table(("Execution", markdown.code(record.id)), _facts(record, settings)),
        "## Found",
        markdown.table(("Step", "Ended", "After", "Result"), _steps(record, steps)),
    ]
    return "\n\n".join(parts)


def _facts(record: ExecutionRecord, settings: Settings) -> list[tuple[str, str]]:
    facts = {
        "Asked": _asked(record),
        "Tenant": markdown.code(record.tenant_id),
        "Outcome": _outcome(record),
        "Decided": _decided((record.results or {}).get("approval")),
        "Without": markdown.text(", ".join(record.missing_steps)) if record.missing_steps else "",
        "Refused answers": str(len(record.refused_answers)) if record.refused_answers else "",
        "Took": _took(record),
        "Try": f"{record.retries + 1}" if record.retries else "",
        "Record": _record_of(record, settings),
    }
    return [(name, value) for name, value in facts.items() if value]


def _asked(record: ExecutionRecord) -> str:
    workflow = WORKFLOWS.get(record.workflow)
    title = workflow.title if workflow else record.workflow
    causes = sorted({trigger.event_type for trigger in record.triggers})
    asked = f"{title}: {record.subject_on_wire[:SUBJECT_MAX]}, because of {', '.join(causes)}"
    return f"{markdown.text(asked)}, {_moment(record.created_at)}"


def _outcome(record: ExecutionRecord) -> str:
    if record.status == "awaiting_approval":
        return "waits for a person's decision"
    if not record.error:
        return _status(record)
    where = f" in {markdown.text(record.failed_step)}" if record.failed_step else ""
    code = f" ({markdown.text(record.error_code)})" if record.error_code else ""
    return f"{_status(record)}{where}: {markdown.text(record.error)}{code}"


def _decided(approval: object) -> str:
    """`approval`: as `lifecycle.summary` has left it in the results."""
    if not isinstance(approval, Mapping):
        return ""
    outcome = markdown.text(approval.get("outcome") or approval.get("status"))
    by, through = approval.get("decidedBy"), approval.get("decidedThrough")
    comment = approval.get("comment")
    who = f" by {markdown.text(by)}" if by else ""
    how = f", through {markdown.text(through)}" if through else ""
    return f"{outcome}{who}{how}{f': {markdown.text(comment)}' if comment else ''}"


def _steps(record: ExecutionRecord, steps: Sequence[StepRecord]) -> list[tuple[str, ...]]:
    recorded = by_step(record, steps)
    names = known_steps(record.workflow) or tuple(recorded)
    return [_step(record, name, recorded.get(name)) for name in names]


def _step(record: ExecutionRecord, name: str, step: StepRecord | None) -> tuple[str, ...]:
    if step is None:
        return markdown.text(name), "skipped" if record.is_terminal else "open", "", ""
    after = _seconds(record.started_at or record.created_at, step.completed_at)
    found = step.error or compact(step.result)
    return markdown.text(name), step.status, after, markdown.text(found, FINDING_MAX)


def compact(result: Mapping[str, Any] | None) -> str:
    """A result on one line: lists by their length, objects, ids and what every step has left out.
    One that was skipped is its reason.
    """
    if result and result.get("skipped") and result.get("reason"):
        return str(result["reason"])
    return ", ".join(
        f"{name} {_figure(value)}"
        for name, value in (result or {}).items()
        if not name.endswith("Id")
        and name not in ("success", "timestamp")
        and value is not None
        and not isinstance(value, dict)
    )


def _figure(value: Any) -> str:
    match value:
        case list():
            return f"{len(value):,}"
        case int() if not isinstance(value, bool):
            return f"{value:,}"
    return str(value)


# --- several --------------------------------------------------------------------------------------


def _sums(records: Sequence[ExecutionRecord]) -> str:
    first, last = (
        min(record.started_at or record.created_at for record in records),
        max((record.completed_at or record.updated_at) for record in records),
    )
    title = markdown.text(run_name(records[0].workflow, {one.id: "" for one in records}))
    lines = [
        f"**{title}: {counted(record.status for record in records)}**, {_seconds(first, last)}",
        f"Tenant {markdown.code(records[0].tenant_id)}; each is shown by "
        f"`orchestrator executions show ID --tenant {records[0].tenant_id}`",
    ]
    if (more := len(records) - ROWS_MAX) > 0:
        lines.append(f"{more} more are not in this table.")
    return "  \n".join(lines)


def counted(statuses: Iterable[str]) -> str:
    """ "110 completed, 2 failed": the most frequent first."""
    return ", ".join(f"{count} {name}" for name, count in Counter(statuses).most_common()).replace(
        "_", " "
    )


def _row(record: ExecutionRecord, settings: Settings) -> dict[str, str]:
    url = execution_url(settings.server, record.id)
    return {
        "execution": markdown.link(record.id, url) if url else markdown.text(record.id),
        "subject": markdown.text(record.subject_on_wire, SUBJECT_MAX),
        "outcome": _status(record),
        "error": markdown.text(record.error or "", ERROR_MAX),
    }


def _worst_first(records: Sequence[ExecutionRecord]) -> list[ExecutionRecord]:
    return sorted(records, key=lambda record: record.status == "completed")


# --- both -----------------------------------------------------------------------------------------


def _status(record: ExecutionRecord) -> str:
    return record.status.replace("_", " ")


def _took(record: ExecutionRecord) -> str:
    end = record.completed_at
    if end is None:
        return ""
    began = record.started_at or record.created_at
    waited = f"{_seconds(record.waiting_since, began)} until it began"
    return f"{_seconds(record.waiting_since, end)}, {waited}"


def _record_of(record: ExecutionRecord, settings: Settings) -> str:
    command = markdown.code(f"orchestrator executions show {record.id} --tenant {record.tenant_id}")
    url = execution_url(settings.server, record.id)
    return f"{markdown.link('API', url)}, {command}" if url else command


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}Z"


def _seconds(since: datetime, until: datetime) -> str:
    return f"{max((until - since).total_seconds(), 0):.1f} s"
