"""The state in which a flow run ends, for what became of its executions."""

from typing import Any

import pytest
from prefect.client.schemas.objects import StateType

from blocks.contracts.analysis import WORKFLOW
from blocks.contracts.records import ExecutionRecord
from blocks.ports import EventBus, RecordStore, UnreadableRecord
from blocks.settings import load_settings
from flows.shared.outcomes import Outcome, outcome_of, state_of
from flows.shared.run_end import MESSAGE_MAX, end_of_run, refused
from flows.shared.runtime import Runtime
from tests.support.factories import A_TENANT, an_execution
from tests.support.flow_runs import RememberedFlowRuns

HERE, THERE = "run-here", "run-there"

COMPLETED: dict[str, Any] = {"status": "completed", "flow_run_id": HERE}
FAILED: dict[str, Any] = {
    "status": "failed",
    "flow_run_id": HERE,
    "error": "rejected by ann",
    "error_code": "approval-rejected",
}
CANCELLED: dict[str, Any] = {"status": "cancelled", "flow_run_id": HERE, "error": "sold"}
CANCELLED_BEFORE_A_RUN = CANCELLED | {"flow_run_id": None}
AT_ITS_GATE: dict[str, Any] = {"status": "awaiting_approval", "flow_run_id": None}
DUPLICATE: dict[str, Any] = {"status": "running", "flow_run_id": THERE}
DONE_ELSEWHERE: dict[str, Any] = {"status": "failed", "flow_run_id": THERE}
FOREIGN: dict[str, Any] = {"workflow": "batch-job"}
UNKNOWN = None


def outcome(record: ExecutionRecord | None) -> Outcome:
    id = record.id if record else "nowhere"
    return outcome_of(id, record, flow_run_id=HERE, workflow=WORKFLOW)


def ended(*executions: dict[str, Any] | None) -> tuple[StateType, str | None, str]:
    records = [None if changes is None else an_execution(**changes) for changes in executions]
    state = state_of([outcome(record) for record in records])
    return state.type, state.name, state.message or ""


@pytest.mark.parametrize(
    ("execution", "type", "name", "states"),
    [
        (COMPLETED, StateType.COMPLETED, "Completed", "is completed"),
        (FAILED, StateType.FAILED, "Failed", "approval-rejected: rejected by ann"),
        (CANCELLED, StateType.CANCELLED, "Cancelled", "sold"),
        (CANCELLED_BEFORE_A_RUN, StateType.CANCELLED, "Cancelled", "sold"),
        (DUPLICATE, StateType.COMPLETED, "NothingToDo", f"is running in flow run {THERE}"),
        (DONE_ELSEWHERE, StateType.COMPLETED, "NothingToDo", f"is failed in flow run {THERE}"),
        (AT_ITS_GATE, StateType.COMPLETED, "NothingToDo", "goes on in another run"),
        (FOREIGN, StateType.FAILED, "Refused", "is of batch-job, not opportunity-analysis"),
        (UNKNOWN, StateType.FAILED, "Refused", "its tenant has no execution nowhere"),
    ],
)
def test_a_run_of_one_ends_as_its_execution_does(
    execution: dict[str, Any] | None, type: StateType, name: str, states: str
) -> None:
    ended_type, ended_name, message = ended(execution)

    assert (type, name) == (ended_type, ended_name)
    assert states in message


@pytest.mark.parametrize(
    ("executions", "type", "name", "counts"),
    [
        ([COMPLETED] * 3, StateType.COMPLETED, "Completed", "3 executions: 3 completed"),
        (
            [COMPLETED] * 110 + [FAILED] * 2,
            StateType.COMPLETED,
            "PartlyFailed",
            "112 executions: 110 completed, 2 failed; approval-rejected: rejected by ann",
        ),
        ([FAILED] * 2, StateType.FAILED, "Failed", "2 executions: 2 failed"),
        ([FAILED, CANCELLED], StateType.FAILED, "Failed", "1 failed, 1 cancelled"),
        ([CANCELLED] * 2, StateType.CANCELLED, "Cancelled", "2 cancelled"),
        ([COMPLETED, CANCELLED], StateType.COMPLETED, "Completed", "1 completed, 1 cancelled"),
        (
            [COMPLETED, AT_ITS_GATE],
            StateType.COMPLETED,
            "Completed",
            "1 completed, 1 left to await a person in a run of its own",
        ),
        ([AT_ITS_GATE] * 2, StateType.COMPLETED, "Completed", "2 left to await a person"),
        ([DUPLICATE] * 2, StateType.COMPLETED, "NothingToDo", "2 left to another run"),
        ([COMPLETED, UNKNOWN], StateType.COMPLETED, "PartlyFailed", "has no execution nowhere"),
        ([UNKNOWN, UNKNOWN], StateType.FAILED, "Refused", "2 refused"),
    ],
)
def test_a_batch_ends_in_a_state_that_a_filter_can_name(
    executions: list[dict[str, Any] | None], type: StateType, name: str, counts: str
) -> None:
    ended_type, ended_name, message = ended(*executions)

    assert (type, name) == (ended_type, ended_name)
    assert counts in message


@pytest.mark.parametrize("open_one", [AT_ITS_GATE, DUPLICATE, FOREIGN, {"status": "pending"}])
def test_a_run_with_an_execution_that_goes_on_is_not_failed(open_one: dict[str, Any]) -> None:
    """The reconciler ends what a failed run has left open."""
    _, name, _ = ended(FAILED, open_one)

    assert "PartlyFailed" == name


def test_a_message_names_the_first_reasons_and_counts_the_others() -> None:
    _, _, message = ended(COMPLETED, *[FAILED | {"error": f"reason {n}"} for n in range(5)])

    assert ("reason 2" in message, "reason 3" in message) == (True, False)
    assert message.endswith("and 2 more")


def test_one_that_cannot_be_read_any_more_does_not_fail_the_run_of_the_others() -> None:
    unread = outcome_of("e-1", UnreadableRecord("no status"), flow_run_id=HERE, workflow=WORKFLOW)
    state = state_of([outcome(an_execution(**COMPLETED)), unread])

    assert StateType.COMPLETED == state.type
    assert "execution e-1 is left as it is: no status" in unread.reason


def test_a_completed_analysis_states_what_it_lacks() -> None:
    _, _, message = ended(COMPLETED | {"missing_steps": ["forecast"]})

    assert message.endswith("is completed, without forecast")


def test_a_message_is_one_plain_line_whatever_comes_from_outside() -> None:
    hostile = {**FAILED, "error": "no\x00 model\n\x1b[31m\u202e" + "x" * 10_000}

    for executions in ([hostile], [hostile, COMPLETED]):
        _, _, message = ended(*executions)
        assert message.isprintable()
        assert "no\\x00 model\\n\\x1b[31m\\u202e" in message
        assert len(message) < 700
    unknown = outcome_of("a\x00b\n", None, flow_run_id=HERE, workflow=WORKFLOW)
    assert (state_of([unknown]).message or "").isprintable()


async def test_an_execution_that_is_named_twice_counts_once(
    store: RecordStore, bus: EventBus
) -> None:
    context = Runtime(load_settings({}), bus, store, RememberedFlowRuns())
    execution = await store.create(A_TENANT, an_execution(status="cancelled", error="sold"))
    id = execution.record.id

    state = await end_of_run(context, A_TENANT, [id, id], [execution], workflow=WORKFLOW)

    assert f"sold (execution {id})" == state.message


def test_a_refusal_is_one_plain_line_whatever_it_quotes() -> None:
    message = refused("a\x00\n\x1b[31m" + "x" * 100_000).state.message or ""

    assert message.startswith("a\\x00\\n\\x1b[31m")
    assert message.isprintable()
    assert len(message) == MESSAGE_MAX
