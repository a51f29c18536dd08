"""Questions: an approver asks back, the approval waits on, and the answer is on the record."""

from datetime import datetime, timedelta

import pytest

from blocks.approvals.changes import ApprovalFull
from blocks.approvals.decisions import AlreadyDecided, Expired, InvalidVote, NotAnApprover
from blocks.approvals.events import unpublished
from blocks.approvals.questions import (
    QUESTIONS_MAX,
    Ask,
    NoQuestion,
    QuestionOpen,
    answered,
    questioned,
)
from blocks.approvals.standing import standing
from blocks.approvals.timers import apply_timers
from blocks.contracts.approvals import ApprovalPolicy, Approvers
from blocks.contracts.events import HitlApprovalAnswered, HitlApprovalQuestioned
from blocks.contracts.records import ApprovalRecord
from tests.support.factories import an_approval, now
from tests.unit.approval_stages.terms import absent, voted

DAY = timedelta(days=1)


def asked_of_ann(**fields: object) -> ApprovalRecord:
    policy = ApprovalPolicy(approvers=Approvers(users=("ann",)))
    return an_approval(**{"policy": policy, "requested_by": "req", **fields})


def asks(
    approval: ApprovalRecord, text: str = "Why so much?", at: datetime | None = None
) -> ApprovalRecord:
    return questioned(approval, Ask(actor="ann", channel="api", text=text), at or now())


def test_a_question_leaves_it_pending_and_its_clock_goes_on() -> None:
    approval = asks(asked_of_ann(expires_at=now() + DAY))

    assert ("pending", "Why so much?", "ann") == (
        approval.status,
        approval.questions[0].text,
        approval.questions[0].actor,
    )
    assert "It is pending: a question waits for its answer." == standing(approval)
    assert "expired" == apply_timers(approval, now() + 2 * DAY).status


def test_it_can_be_decided_with_the_question_open_and_after_the_answer() -> None:
    assert "approved" == voted(asks(asked_of_ann()), "ann").status
    replied = answered(asks(asked_of_ann()), "req", "A discount.", "api", now())
    assert ("A discount.", "req") == (replied.questions[0].answer, replied.questions[0].answered_by)
    assert "rejected" == voted(replied, "ann", "rejected").status


def test_there_is_one_open_question_at_a_time() -> None:
    with pytest.raises(QuestionOpen):
        asks(asks(asked_of_ann()))
    with pytest.raises(NoQuestion):
        answered(asked_of_ann(), "req", "to what?", "api", now())


def test_only_an_approver_asks_and_only_with_words() -> None:
    with pytest.raises(NotAnApprover):
        questioned(asked_of_ann(), Ask(actor="eve", channel="api", text="?"), now())
    with pytest.raises(NotAnApprover):
        questioned(
            asked_of_ann(), Ask(actor="ann", channel="api", text="?", is_proven=False), now()
        )
    for empty in ("", "  \n"):
        with pytest.raises(InvalidVote):
            asks(asked_of_ann(), empty)
        with pytest.raises(InvalidVote):
            answered(asks(asked_of_ann()), "req", empty, "api", now())


def test_nothing_is_asked_or_answered_after_the_end() -> None:
    decided = voted(asks(asked_of_ann()), "ann")
    with pytest.raises(AlreadyDecided):
        asks(decided)
    with pytest.raises(AlreadyDecided):
        answered(decided, "req", "late", "api", now())
    with pytest.raises(Expired):
        asks(asked_of_ann(expires_at=now()), at=now())


def test_questions_are_limited_and_a_decision_always_has_room() -> None:
    approval = asked_of_ann()
    for _ in range(QUESTIONS_MAX):
        approval = answered(asks(approval), "req", "yes", "api", now())

    with pytest.raises(ApprovalFull):
        asks(approval)
    assert "approved" == voted(approval, "ann").status


def test_a_stand_in_asks_for_the_absent_person() -> None:
    ask = Ask(actor="bob", channel="api", text="?", stands_in=(absent("ann", "bob"),))

    approval = questioned(asked_of_ann(), ask, now())

    assert ("bob", "ann") == (approval.questions[0].actor, approval.questions[0].on_behalf_of)


def test_each_question_and_each_answer_is_an_event_of_its_own() -> None:
    at, approval = now(), asked_of_ann()
    for number in (1, 2):
        approval = asks(approval, f"question {number}", at)
        approval = answered(approval, "req", f"answer {number}", "api", at)

    events = list(unpublished(approval))
    questions = [one.data for one in events if isinstance(one.data, HitlApprovalQuestioned)]
    answers = [one.data for one in events if isinstance(one.data, HitlApprovalAnswered)]

    assert [("question 1", "ann", "req"), ("question 2", "ann", "req")] == [
        (one.question, one.asked_by, one.requested_by) for one in questions
    ]
    assert [("question 1", "answer 1"), ("question 2", "answer 2")] == [
        (one.question, one.answer) for one in answers
    ]
    assert 4 == len({event.id for event in events})
