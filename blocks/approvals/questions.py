"""A question that an approver sends back, and its answer; pure.

The approval stays pending meanwhile, and its clock goes on: no question can keep it from its end.
"""

from datetime import datetime

from msgspec.structs import replace

from blocks.approvals.changes import ApprovalFull, check_entries
from blocks.approvals.decisions import (
    ApproverAct,
    InvalidVote,
    Refused,
    admitted,
    changed,
    check_open,
)
from blocks.contracts.approvals import HistoryEntry, Question
from blocks.contracts.identities import spelled
from blocks.contracts.records import ApprovalRecord

QUESTIONS_MAX = 20
"""Of one approval, so that they always leave room for its decision."""


class Ask(ApproverAct, frozen=True, kw_only=True):
    """A question of an approver to those who asked for the approval."""

    text: str


class QuestionOpen(Refused):
    """The last question has no answer yet."""


class NoQuestion(Refused):
    """No question is open."""


def questioned(approval: ApprovalRecord, ask: Ask, now: datetime) -> ApprovalRecord:
    """The question is on the record, and waits for its answer. Raises `Refused`."""
    check_open(approval, now)
    check_entries(approval)
    ask = replace(ask, actor=spelled(ask.actor))
    approval, absent = admitted(approval, ask, now)
    text = _text(approval, ask.text)
    if approval.open_question is not None:
        raise QuestionOpen(approval, f"a question about {approval.id} waits for its answer")
    if len(approval.questions) >= QUESTIONS_MAX:
        raise ApprovalFull(approval, f"approval {approval.id} has {QUESTIONS_MAX} questions")
    question = Question(
        text=text, actor=ask.actor, at=now, on_behalf_of=absent, stage=approval.stage
    )
    entry = HistoryEntry(
        what="questioned",
        at=now,
        actor=ask.actor,
        channel=ask.channel,
        note=text,
        on_behalf_of=absent,
    )
    return changed(approval, entry, questions=[*approval.questions, question])


def answered(
    approval: ApprovalRecord, actor: str, text: str, channel: str, now: datetime
) -> ApprovalRecord:
    """The open question has this answer. Raises `Refused`."""
    check_open(approval, now)
    text, question = _text(approval, text), approval.open_question
    if question is None:
        raise NoQuestion(approval, f"no question about {approval.id} waits for an answer")
    question = replace(question, answer=text, answered_by=spelled(actor), answered_at=now)
    entry = HistoryEntry(
        what="answered", at=now, actor=question.answered_by, channel=channel, note=text
    )
    return changed(approval, entry, questions=[*approval.questions[:-1], question])


def _text(approval: ApprovalRecord, stated: str) -> str:
    if not stated.strip():
        raise InvalidVote(approval, "text", "must not be empty")
    return stated.strip()
