"""What happened to an execution, in order, from its record and its approvals."""

from collections.abc import Iterator, Sequence
from datetime import datetime

import msgspec

from api.executions.documents import Execution
from api.pages.executions.timeline import Tone
from blocks.contracts.records import ApprovalRecord


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One event."""

    at: datetime
    what: str
    detail: str = ""
    tone: Tone = "neutral"
    href: str = ""


def history_of(execution: Execution, approvals: Sequence[ApprovalRecord]) -> list[Entry]:
    """The newest first."""
    entries = (*_of_execution(execution), *_of_steps(execution), *_of_approvals(approvals))
    return sorted(entries, key=lambda one: one.at, reverse=True)


def _of_execution(execution: Execution) -> Iterator[Entry]:
    yield Entry(at=execution.created_at, what="Accepted")
    for trigger in execution.triggers:
        yield Entry(
            at=trigger.received_at, what=f"Event {trigger.event_type}", detail=trigger.event_id
        )
    for end in execution.previous_outcomes:
        if end.completed_at:
            yield Entry(
                at=end.completed_at,
                what=f"Ended: {end.status.replace('_', ' ')}",
                detail=end.error or "",
                tone="bad",
            )
        who = f" by {end.retried_by}" if end.retried_by else ""
        yield Entry(at=end.retried_at, what=f"Retried{who}")
    if execution.started_at:
        yield Entry(at=execution.started_at, what="Started by a worker", tone="busy")
    for answer in execution.refused_answers:
        yield Entry(at=answer.at, what="Answer refused", detail=answer.reason, tone="bad")
    if execution.completed_at:
        is_good = execution.status == "completed"
        yield Entry(
            at=execution.completed_at,
            what=execution.status.replace("_", " ").capitalize(),
            detail=execution.error or "",
            tone="good" if is_good else "bad",
        )


def _of_steps(execution: Execution) -> Iterator[Entry]:
    for step in execution.steps:
        name = step.step.replace("_", " ").capitalize()
        if step.started_at:
            yield Entry(at=step.started_at, what=f"{name} begun", detail=step.claim_id or "")
        if step.completed_at:
            yield Entry(
                at=step.completed_at,
                what=f"{name} {step.status}",
                detail=step.error or step.claim_id or "",
                tone="bad" if step.status == "failed" else "good",
            )


def _of_approvals(approvals: Sequence[ApprovalRecord]) -> Iterator[Entry]:
    for approval in approvals:
        href = f"/approvals/{approval.id}"
        yield Entry(at=approval.requested_at, what="Decision asked for", tone="waiting", href=href)
        if approval.decided_at:
            who = f" by {approval.decided_by}" if approval.decided_by else ""
            yield Entry(
                at=approval.decided_at,
                what=f"{approval.status.capitalize()}{who}",
                detail=approval.comment or "",
                tone="good" if approval.status == "approved" else "bad",
                href=href,
            )
