"""A workflow of the older service as an execution with its steps; pure."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec

from blocks.contracts import ids, rejections
from blocks.contracts.analysis import ANALYSIS_STEPS, STEP_BY_NAME, WORKFLOW, AnalysisStep
from blocks.contracts.events import AnalysisResults, JsonObject
from blocks.contracts.older_service import OlderWorkflow
from blocks.contracts.older_service.values import moment, text
from blocks.contracts.reading.uuids import matching_id
from blocks.contracts.records import ExecutionRecord, StepRecord
from blocks.contracts.records.base import OLDER_SERVICE
from blocks.contracts.states import ExecutionStatus

ENDED: tuple[ExecutionStatus, ...] = ("completed", "failed", "cancelled")
UNDER_WAY = ("pending", "running", "in_progress")

CLOSED = "The older orchestrator was replaced while this analysis was under way"


class Left(Exception):
    """The document stays as it is, for this reason."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class UnderWay(Left):
    """Its workflow has not ended."""


class Converted(msgspec.Struct, frozen=True):
    """What a workflow document becomes."""

    execution: ExecutionRecord
    steps: list[StepRecord]


def converted(older: OlderWorkflow, now: datetime, *, closing: bool) -> Converted:
    """An ended workflow as an ended execution; with `closing`, one under way as a failed one, whose
    end is still to be announced. Raises `Left`.
    """
    status, subject = _status(older, closing), older.opportunity_id
    if subject is None:
        raise Left("it names no opportunity")
    is_closed = older.status in UNDER_WAY
    ended_at = now if is_closed else _ended_at(older)
    steps = list(_steps(older, ended_at))
    execution = ExecutionRecord(
        id=older.id,
        tenant_id=older.tenant_id,
        created_at=older.created_at,
        workflow=WORKFLOW,
        subject=matching_id(subject),
        subject_as_sent=subject if subject != matching_id(subject) else None,
        status=status,
        triggers=[],
        trigger_ids=[],
        input={},
        updated_at=ended_at,
        started_at=moment(older.document.get("startedAt")),
        completed_at=ended_at,
        announced_at=None if is_closed else ended_at,
        results=_results(older, steps) if status == "completed" else None,
        missing_steps=_missing(steps) if status == "completed" else [],
        origin=OLDER_SERVICE,
    )
    return Converted(_with_error(execution, steps, is_closed), steps)


def _status(older: OlderWorkflow, closing: bool) -> ExecutionStatus:
    if older.status in UNDER_WAY:
        if not closing:
            raise UnderWay(f"it is {older.status} in the older service")
        return "failed"
    for status in ENDED:
        if older.status == status:
            return status
    raise Left(f"its status is {older.document.get('status')!r:.80}, none of the older service's")


def _ended_at(older: OlderWorkflow) -> datetime:
    stated = (moment(older.document.get(key)) for key in ("completedAt", "updatedAt"))
    return next((at for at in stated if at), older.created_at)


# --- steps ----------------------------------------------------------------------------------------


def _steps(older: OlderWorkflow, ended_at: datetime) -> Iterator[StepRecord]:
    """Those that have ended and can be read; the first of each type."""
    seen: set[str] = set()
    stated = older.document.get("steps")
    for document in stated if isinstance(stated, list) else []:
        step = STEP_BY_NAME.get(_type_of(document))
        if step is None or step.name in seen:
            continue
        if record := _step(older, step, document, ended_at):
            seen.add(step.name)
            yield record


def _type_of(document: Any) -> str:
    return (text(document.get("stepType")) or "") if isinstance(document, dict) else ""


def _step(
    older: OlderWorkflow, step: AnalysisStep, document: JsonObject, ended_at: datetime
) -> StepRecord | None:
    status, result = document.get("status"), document.get("result")
    if status not in ("completed", "failed") or (
        status == "completed" and not isinstance(result, dict)
    ):
        return None
    has_failed = status == "failed"
    at = moment(document.get("completedAt")) or ended_at
    return StepRecord(
        id=ids.step_record_id(older.id, step.name),
        tenant_id=older.tenant_id,
        created_at=at,
        execution_id=older.id,
        step=step.name,
        step_id=text(document.get("stepId")) or ids.step_id(older.id, step.name),
        status="failed" if has_failed else "completed",
        completed_at=at,
        result=None if has_failed else result,
        error=(text(document.get("error")) or step.default_error) if has_failed else None,
        error_code=rejections.STEP_FAILED if has_failed else None,
    )


def _missing(steps: list[StepRecord]) -> list[str]:
    done = {step.step for step in steps if step.status == "completed"}
    return [step.name for step in ANALYSIS_STEPS if step.name not in done]


# --- how it ended ---------------------------------------------------------------------------------


def _results(older: OlderWorkflow, steps: list[StepRecord]) -> JsonObject:
    """As the document has them, else those of its steps. Raises `Left` for what is no results."""
    stated = older.document.get("results")
    if stated is None:
        return {STEP_BY_NAME[step.step].result_key: step.result for step in steps if step.result}
    try:
        msgspec.convert(stated, AnalysisResults)
    except msgspec.ValidationError as error:
        raise Left(f"its results cannot be read: {error}") from None
    results: JsonObject = stated
    return results


def _with_error(
    execution: ExecutionRecord, steps: list[StepRecord], is_closed: bool
) -> ExecutionRecord:
    if execution.status == "completed":
        return execution
    if is_closed or execution.status == "cancelled":
        code, error = (
            (rejections.SERVICE_REPLACED, CLOSED)
            if is_closed
            else (rejections.CANCELLED, "It was cancelled in the older service")
        )
        return msgspec.structs.replace(execution, error=error, error_code=code)
    failed = [step for step in steps if step.status == "failed"]
    first = min(failed, key=lambda step: not STEP_BY_NAME[step.step].critical, default=None)
    return msgspec.structs.replace(
        execution,
        error=(first and first.error) or "It failed in the older service",
        error_code=rejections.STEP_FAILED if first else rejections.RUN_FAILED,
        failed_step=first.step if first else None,
    )
