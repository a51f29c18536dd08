"""Bars of a timeline: where each part begins and ends on the axis."""

from datetime import timedelta
from typing import Any

import pytest

from api.executions.documents import Execution, document_of
from api.pages.executions.timeline import timeline_of
from blocks.contracts.records import StepRecord
from blocks.contracts.records.executions import PreviousOutcome
from blocks.settings import load_settings
from tests.support.factories import a_step, an_approval, an_execution, now

BEGIN = now()


def at(seconds: float) -> Any:
    return BEGIN + timedelta(seconds=seconds)


def a_document(*steps: StepRecord, **changes: Any) -> Execution:
    facts: dict[str, Any] = {"id": ID, "created_at": BEGIN, "status": "running"} | changes
    return document_of(an_execution(**facts), steps, load_settings({}).prefect)


ID = an_execution().id


def test_a_step_is_a_share_of_the_axis() -> None:
    execution = a_document(a_step(execution_id=ID, completed_at=at(5)), started_at=at(1))

    rows = timeline_of(execution, [], at(10)).rows

    assert [
        ("Waiting for a worker", 0, 10),
        ("risk_analysis", 10, 40),
        ("risk_scoring", 10, 90),
    ] == [(row.label, row.begin, row.width) for row in rows[:3]]
    assert [1, 4, 9] == [row.seconds for row in rows[:3]]


def test_what_waits_for_people_for_long_leaves_room_for_the_steps() -> None:
    step = a_step(execution_id=ID, completed_at=at(10))
    execution = a_document(step, started_at=at(0), status="completed", completed_at=at(9_000))
    approval = an_approval(requested_at=at(10), status="approved", decided_at=at(9_000))

    timeline = timeline_of(execution, [approval], at(9_001))

    decision = timeline.rows[-1]
    assert (50, 50, 8_990) == (decision.begin, decision.width, decision.seconds)
    assert 20 == timeline.seconds


def test_a_step_of_an_earlier_try_has_no_bar() -> None:
    retried = PreviousOutcome(status="failed", completed_at=at(20), retried_at=at(30))
    step = a_step(execution_id=ID, completed_at=at(5))
    execution = a_document(step, started_at=at(31), previous_outcomes=[retried])

    row = timeline_of(execution, [], at(40)).rows[1]

    assert (None, "kept from an earlier try") == (row.seconds, row.note)


def test_steps_that_follow_each_other_begin_where_the_one_before_ended() -> None:
    steps = [
        a_step(execution_id=ID, step="trigger", completed_at=at(2)),
        a_step(execution_id=ID, step="report", completed_at=at(8)),
    ]
    execution = a_document(
        *steps,
        workflow="batch-job",
        started_at=at(0),
        status="completed",
        completed_at=at(8),
    )

    rows = timeline_of(execution, [], at(10)).rows

    assert [2, 6] == [row.seconds for row in rows[1:]]


@pytest.mark.parametrize("seconds", [0, 0.02, 3, 59, 3_000, 80_000, 3_000_000])
def test_an_axis_has_few_ticks(seconds: float) -> None:
    ticks = timeline_of(a_document(status="pending"), [], at(seconds)).ticks

    assert len(ticks) <= 4
    assert all(0 < place < 100 for place, _ in ticks)
