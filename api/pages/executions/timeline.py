"""When each part of an execution began and ended, as bars on one axis."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Literal

import msgspec

from api.executions.documents import Execution, ExecutionStep
from api.pages.rendering import duration
from blocks.contracts import analysis
from blocks.contracts.records import ApprovalRecord
from blocks.contracts.states import TERMINAL, StepStanding

Tone = Literal["good", "bad", "busy", "waiting", "neutral"]

_DECISION = "Decision"
_SHORT = 0.001
"""Seconds; an axis has some length."""
_TICKS_MAX = 5
_SPACINGS = (
    *(0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30),
    *(60, 120, 300, 600, 1200, 1800),
    *(3600, 7200, 14_400, 21_600, 43_200, 86_400),
)
_SHORTEST = 0.6
"""Percent of the axis: a bar that one still sees."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One part, and its bar if it has begun."""

    label: str
    status: str
    tone: Tone
    begin: float = 0.0
    """Percent of the axis, as `width`."""
    width: float = 0.0
    seconds: float | None = None
    """None: it has not begun, or when is not known."""
    note: str = ""
    error: str = ""


class Timeline(msgspec.Struct, frozen=True):
    """`ticks`: where on the axis, in percent, and how long after its begin."""

    rows: list[Row]
    ticks: list[tuple[float, str]]
    seconds: float


class _Span(msgspec.Struct, frozen=True, kw_only=True):
    """A part as it is known."""

    label: str
    status: str
    tone: Tone
    begin: datetime | None = None
    end: datetime | None = None
    note: str = ""
    error: str = ""


def timeline_of(
    execution: Execution, approvals: Sequence[ApprovalRecord], now: datetime
) -> Timeline:
    """Of the present try: its wait for a worker, its steps, the decisions of people."""
    since = accepted_at(execution)
    spans = list(_spans(execution, approvals, now))
    whole = _length(spans, since)
    return Timeline([_row(span, since, whole) for span in spans], _ticks(whole), whole)


def _length(spans: Sequence[_Span], since: datetime) -> float:
    """Seconds of the axis. What people take is not seconds but hours: its bars run off the end, so
    that those of the steps can be seen.
    """
    ours = _last([span for span in spans if span.label != _DECISION], since)
    return max(ours, min(_last(spans, since), 2 * ours))


def _last(spans: Sequence[_Span], since: datetime) -> float:
    return max([_SHORT, *((span.end - since).total_seconds() for span in spans if span.end)])


def accepted_at(execution: Execution) -> datetime:
    """When it was accepted, or else tried again."""
    outcomes = execution.previous_outcomes
    return outcomes[-1].retried_at if outcomes else execution.created_at


def _spans(
    execution: Execution, approvals: Sequence[ApprovalRecord], now: datetime
) -> Iterator[_Span]:
    begin = execution.started_at
    yield _Span(
        label="Waiting for a worker",
        status="done" if begin else execution.status,
        tone="neutral" if begin or execution.status in TERMINAL else "waiting",
        begin=accepted_at(execution),
        end=begin or execution.completed_at or now,
    )
    for step in execution.steps:
        span = _of_step(execution, step, begin, now)
        yield span
        if execution.workflow != analysis.WORKFLOW:  # whose steps are requested at once
            begin = span.end if step.status != "running" else None
    for approval in approvals:
        yield _of_approval(approval, now)


def _of_step(
    execution: Execution, step: ExecutionStep, begin: datetime | None, now: datetime
) -> _Span:
    begin = step.started_at or begin
    is_kept = bool(step.completed_at and step.completed_at < accepted_at(execution))
    ends: Mapping[StepStanding, datetime | None] = {
        "running": now if begin else None,
        "completed": step.completed_at,
        "failed": step.completed_at or execution.completed_at,
    }
    return _Span(
        label=step.step,
        status="pending" if step.status == "running" and begin is None else step.status,
        tone=_TONES[step.status],
        begin=None if is_kept else begin,
        end=None if is_kept else ends.get(step.status),
        note="kept from an earlier try" if is_kept else _note(step),
        error=step.error or "",
    )


def _note(step: ExecutionStep) -> str:
    whose = f"claim {step.claim_id}" if step.claim_id else ""
    again = f"{step.attempts} attempts" if step.attempts and step.attempts > 1 else ""
    return ", ".join(filter(None, (whose, again)))


def _of_approval(approval: ApprovalRecord, now: datetime) -> _Span:
    tones: Mapping[str, Tone] = {"pending": "waiting", "approved": "good", "rejected": "bad"}
    return _Span(
        label=_DECISION,
        status=approval.status,
        tone=tones.get(approval.status, "neutral"),
        begin=approval.requested_at,
        end=now if approval.status == "pending" else approval.decided_at or approval.requested_at,
        note=f"by {approval.decided_by}" if approval.decided_by else "",
    )


_TONES: Mapping[StepStanding, Tone] = {
    "pending": "neutral",
    "running": "busy",
    "completed": "good",
    "failed": "bad",
    "skipped": "neutral",
}


def _row(span: _Span, since: datetime, whole: float) -> Row:
    facts = Row(
        label=span.label, status=span.status, tone=span.tone, note=span.note, error=span.error
    )
    if span.begin is None or span.end is None:
        return facts
    begin = max((span.begin - since).total_seconds(), 0) / whole * 100
    seconds = max((span.end - span.begin).total_seconds(), 0)
    begin = min(begin, 100 - _SHORTEST)
    width = max(min(seconds / whole * 100, 100 - begin), _SHORTEST)
    return msgspec.structs.replace(
        facts, begin=round(begin, 2), width=round(width, 2), seconds=seconds
    )


def _ticks(whole: float) -> list[tuple[float, str]]:
    spacing = next((one for one in _SPACINGS if whole / one < _TICKS_MAX), None)
    if spacing is None:
        days = -(-whole // (86_400 * _TICKS_MAX))
        spacing = days * 86_400
    places = [spacing * n for n in range(1, _TICKS_MAX) if spacing * n < whole * 0.98]
    return [(round(place / whole * 100, 2), duration(place)) for place in places]
