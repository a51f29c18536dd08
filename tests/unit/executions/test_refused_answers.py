"""An answer that becomes a dead letter leaves a note on the execution it was meant for, and
disturbs nothing.
"""

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from blocks.adapters.consuming import dead_letter, judge_together
from blocks.contracts import jobs, rejections
from blocks.contracts.analysis import ANALYSIS_STEPS, STEP_BY_NAME, WORKFLOW
from blocks.contracts.approvals import ApprovalRule
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.records import ExecutionRecord
from blocks.contracts.records.dead_letters import DeadLetterRecord
from blocks.contracts.states import OPEN, TERMINAL
from blocks.dead_letters.letters import LETTER_ID, letter_of
from blocks.executions import transitions
from blocks.executions.steps import record_step, step_record, step_records
from blocks.ports import Accept, Delivery, EventBus, Message, Query, RecordStore, Reject, Verdict
from blocks.settings import load_settings
from blocks.topology import intake_queue
from flows.analysis.batch import AnalysisBatch
from flows.analysis.progress import Analysis, AnalysisRules
from flows.shared.claims import claim
from flows.shared.runtime import Runtime
from listeners.answers import steps as answers
from listeners.answers.refused_answers import KEPT, note_refusal
from listeners.dead_letters import Keeper
from listeners.router import Router
from tests.support.factories import A_TENANT, AN_ID, ANOTHER_TENANT, an_execution, new_id, now
from tests.support.flow_runs import RememberedFlowRuns

INTAKE = intake_queue(load_settings({}))
RULES = AnalysisRules(frozenset({"risk_analysis"}), timedelta(0), ApprovalRule(enabled=False))


def message(
    event_type: str, data: dict[str, Any], *, tenant_id: str = A_TENANT, **changes: Any
) -> Message:
    id = new_id()
    event = {"id": id, "type": event_type, "tenantId": tenant_id, "data": data, **changes}
    return Message(id=id, routing_key=event_type, body=json.dumps(event).encode(), timestamp=now())


def a_bad_answer(execution: ExecutionRecord, **changes: Any) -> Message:
    return message(
        "risk.evaluation.completed", {"workflowId": execution.id, "riskScore": "high"}, **changes
    )


async def judged(router: Router, message: Message) -> Verdict:
    """The verdict on its last delivery; what is rejected is collected from the dead letters."""
    delivery = Delivery(message=message, queue=INTAKE.name, attempt=INTAKE.max_attempts)
    [verdict] = await judge_together(router.handle_together, [delivery], INTAKE)
    assert verdict is not None
    if isinstance(verdict, Reject):
        await Keeper(router.context.store, INTAKE).keep(dead_letter(delivery, verdict, now()))
    return verdict


async def an_open_one(store: RecordStore, **changes: Any) -> ExecutionRecord:
    return (await store.create(A_TENANT, an_execution(**{"status": "running", **changes}))).record


async def as_it_is(store: RecordStore, execution: ExecutionRecord) -> ExecutionRecord:
    return (await store.read(A_TENANT, ExecutionRecord, execution.id)).record


async def test_an_answer_with_its_workflow_id_in_upper_case_completes_the_step(
    router: Router, store: RecordStore
) -> None:
    execution = await an_open_one(store)
    answer = message(
        "risk.evaluation.completed", {"workflowId": execution.id.upper(), "riskScore": "0.4"}
    )

    assert Accept() == await judged(router, answer)

    [step] = await step_records(store, A_TENANT, [execution.id])
    assert ("risk_analysis", "completed", execution.id) == (
        step.step,
        step.status,
        step.execution_id,
    )


@pytest.mark.parametrize("spell", [str.lower, str.upper, str.title])
async def test_an_opportunity_is_the_same_in_any_case(
    router: Router, store: RecordStore, spell: Any
) -> None:
    execution = await an_open_one(store)
    failure = message(
        "risk.evaluation.failed", {"opportunityId": spell(execution.subject), "error": "no model"}
    )

    assert Accept() == await judged(router, failure)

    [step] = await step_records(store, A_TENANT, [execution.id])
    assert "failed" == step.status


async def test_an_opportunity_goes_back_to_services_as_it_came(
    router: Router, store: RecordStore
) -> None:
    id = new_id()
    for spelled in (id.title(), id, id.upper()):
        assert Accept() == await judged(
            router, message("integration.opportunity.updated", {"opportunityId": spelled})
        )

    [stored] = (
        await store.query(A_TENANT, Query(ExecutionRecord))
    ).items  # the later two were absorbed by the first
    assert (id, id.title(), 3) == (
        stored.record.subject,
        stored.record.subject_on_wire,
        len(stored.record.triggers),
    )


@pytest.mark.parametrize("status", ["pending", "running", "awaiting_approval"])
async def test_a_refused_answer_appears_on_its_execution_with_its_dead_letter(
    router: Router, store: RecordStore, status: str
) -> None:
    execution = await an_open_one(store, status=status)
    refused = a_bad_answer(execution)

    verdict = await judged(router, refused)

    assert isinstance(verdict, Reject)
    [note] = (await as_it_is(store, execution)).refused_answers
    assert ("risk_analysis", verdict.code, verdict.reason, refused.id) == (
        *(note.step, note.code, note.reason, note.event_id),
    )
    assert (
        await store.read(A_TENANT, DeadLetterRecord, note.dead_letter_id)
    ).record.message_id == refused.id


@pytest.mark.parametrize(
    ("event_type", "bad", "step"),
    [
        ("risk.evaluation.completed", {"riskScore": 85}, "risk_analysis"),
        ("risk.evaluation.failed", {"error": ["no"]}, "risk_analysis"),
        ("risk.scoring.completed", {}, "risk_scoring"),
        ("forecast.completed", {"confidence": "high"}, "forecast"),
        ("recommendation.generation.completed", {"recommendations": "none"}, "recommendation"),
        ("recommendation.generation.failed", {"error": {}}, "recommendation"),
    ],
)
async def test_it_is_matched_by_its_opportunity_where_it_names_no_workflow(
    router: Router, store: RecordStore, event_type: str, bad: dict[str, Any], step: str
) -> None:
    execution = await an_open_one(store)

    await judged(router, message(event_type, {"opportunityId": execution.subject.upper(), **bad}))

    assert [step] == [note.step for note in (await as_it_is(store, execution)).refused_answers]


async def test_the_same_answer_is_noted_once_and_only_the_newest_are_kept(
    router: Router, store: RecordStore
) -> None:
    execution = await an_open_one(store)
    answers = [a_bad_answer(execution) for _ in range(KEPT + 3)]
    for answer in answers:
        await judged(router, answer)
        await judged(router, answer)

    noted = (await as_it_is(store, execution)).refused_answers
    assert [answer.id for answer in answers[-KEPT:]] == [note.event_id for note in noted]


async def test_answers_refused_at_the_same_time_are_all_noted(
    router: Router, store: RecordStore
) -> None:
    execution = await an_open_one(store)

    await asyncio.gather(*(judged(router, a_bad_answer(execution)) for _ in range(5)))

    assert 5 == len((await as_it_is(store, execution)).refused_answers)


@pytest.mark.parametrize("status", sorted(TERMINAL))
async def test_an_execution_that_has_ended_gets_the_note_and_stays_as_it_is_otherwise(
    router: Router, store: RecordStore, status: str
) -> None:
    execution = await an_open_one(store, status=status, completed_at=now())

    assert isinstance(await judged(router, a_bad_answer(execution)), Reject)

    noted = await as_it_is(store, execution)
    assert (1, execution) == (len(noted.refused_answers), replace(noted, refused_answers=[]))


def a_bad_shape(execution: ExecutionRecord) -> Message:
    return a_bad_answer(execution)


def an_answer_to_an_unknown_execution(execution: ExecutionRecord) -> Message:
    return message(
        "forecast.completed", {"workflowId": new_id(), "opportunityId": execution.subject.upper()}
    )


def an_answer_of_another_version(execution: ExecutionRecord) -> Message:
    return message("forecast.completed", {"opportunityId": execution.subject}, version="7")


def an_answer_whose_type_is_misspelt(execution: ExecutionRecord) -> Message:
    sent = message("forecast.completed", {"workflowId": execution.id}, type="Forecast.Completed")
    return replace(sent, routing_key="forecast.completed")


def an_answer_that_breaks_its_handler(execution: ExecutionRecord) -> Message:
    return message("forecast.completed", {"workflowId": execution.id, "forecastId": BREAKS})


BREAKS = "breaks"
REFUSALS = {
    a_bad_shape: rejections.SCHEMA_INVALID,
    an_answer_to_an_unknown_execution: rejections.UNKNOWN_EXECUTION,
    an_answer_of_another_version: rejections.UNSUPPORTED_VERSION,
    an_answer_whose_type_is_misspelt: rejections.SCHEMA_INVALID,
    an_answer_that_breaks_its_handler: rejections.POISON,
}


@pytest.fixture
def a_handler_that_breaks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Recording one answer fails, as a defect of ours would."""

    def end_or_break(*args: Any, result: Any = None, **kwargs: Any) -> Any:
        if result and result.get("forecastId") == BREAKS:
            raise TypeError("can't compare")
        return step_record(*args, result=result, **kwargs)

    monkeypatch.setattr(answers, "step_record", end_or_break)


@pytest.mark.parametrize("refused", REFUSALS, ids=lambda refused: refused.__name__)
async def test_whatever_makes_an_answer_a_dead_letter_is_noted_on_its_execution_open_or_ended(
    router: Router, store: RecordStore, a_handler_that_breaks: None, refused: Any
) -> None:
    # late is no failure
    statuses = OPEN if refused is an_answer_that_breaks_its_handler else (*OPEN, *TERMINAL)
    for status in statuses:
        execution = await an_open_one(store, status=status)
        bystander = await an_open_one(store, status=status)
        sent = refused(execution)

        verdict = await judged(router, sent)

        assert Reject(REFUSALS[refused], getattr(verdict, "reason", "")) == verdict
        [note] = (await as_it_is(store, execution)).refused_answers
        letter = (await store.read(A_TENANT, DeadLetterRecord, note.dead_letter_id)).record
        assert (letter.code, letter.reason, letter.rejected_at) == (note.code, note.reason, note.at)
        assert (sent.id, sent.id) == (letter.message_id, note.event_id)
        assert bystander == await as_it_is(store, bystander)


async def test_an_answer_that_failed_while_its_execution_ended_is_noted_on_it(
    router: Router, store: RecordStore, a_handler_that_breaks: None
) -> None:
    execution = await an_open_one(store)
    sent = an_answer_that_breaks_its_handler(execution)
    delivery = Delivery(message=sent, queue=INTAKE.name, attempt=INTAKE.max_attempts)
    [verdict] = await judge_together(router.handle_together, [delivery], INTAKE)
    assert isinstance(verdict, Reject)
    await transitions.fail(
        store, await store.read(A_TENANT, ExecutionRecord, execution.id), "step-timeout", "late"
    )

    await Keeper(store, INTAKE).keep(dead_letter(delivery, verdict, now()))

    ended = await as_it_is(store, execution)
    assert [("forecast", rejections.POISON)] == [
        (note.step, note.code) for note in ended.refused_answers
    ]
    assert "failed" == ended.status


async def test_of_several_executions_of_an_opportunity_the_running_one_has_the_note_else_the_newest(
    router: Router, store: RecordStore
) -> None:
    ended, running, newer = [
        await an_open_one(
            store, subject=AN_ID, status=status, created_at=now() + timedelta(seconds=number)
        )
        for number, status in enumerate(("failed", "running", "completed"))
    ]
    bad = {"opportunityId": AN_ID, "error": ["no"]}

    await judged(router, message("risk.evaluation.failed", bad))
    await transitions.complete(store, await store.read(A_TENANT, ExecutionRecord, running.id))
    await judged(router, message("risk.evaluation.failed", bad))

    noted = [len((await as_it_is(store, one)).refused_answers) for one in (ended, running, newer)]
    assert [0, 1, 1] == noted


async def test_a_letter_that_is_refused_again_after_a_replay_has_one_note_the_newest(
    router: Router, store: RecordStore
) -> None:
    execution = await an_open_one(store)
    sent = message(
        "forecast.completed", {"opportunityId": execution.subject, "workflowId": new_id()}
    )
    first = await judged(router, sent)
    [note] = (await as_it_is(store, execution)).refused_answers
    again = replace(sent, headers={LETTER_ID: note.dead_letter_id})
    delivery = Delivery(message=again, queue=INTAKE.name)

    await Keeper(store, INTAKE).keep(
        dead_letter(delivery, Reject(rejections.POISON, "worse"), now())
    )

    assert isinstance(first, Reject)
    assert first.code == note.code
    [newest] = (await as_it_is(store, execution)).refused_answers
    assert (note.dead_letter_id, "worse") == (newest.dead_letter_id, newest.reason)


async def test_a_refused_report_is_noted_on_the_run_of_its_job_and_announced_when_its_time_is_over(
    router: Router, store: RecordStore
) -> None:
    run = an_execution(
        tenant_id=SYSTEM_TENANT, workflow=jobs.WORKFLOW, subject="outcome-sync", status="running"
    )
    await store.create(SYSTEM_TENANT, run)
    report = message(
        "workflow.job.completed", {"job": "outcome-sync", "status": {}}, tenant_id=SYSTEM_TENANT
    )

    assert isinstance(await judged(router, report), Reject)

    noted = (await store.read(SYSTEM_TENANT, ExecutionRecord, run.id)).record
    [note] = noted.refused_answers
    assert (jobs.REPORT_STEP, rejections.SCHEMA_INVALID) == (note.step, note.code)
    assert transitions.refusals(noted).startswith("; 1 answer was refused: schema-invalid: ")


async def test_an_execution_that_cannot_be_read_holds_up_no_dead_letter(
    router: Router, store: RecordStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    execution = await an_open_one(store)

    async def unreadable(*args: Any) -> Any:
        raise ValueError("no such status")

    monkeypatch.setattr("listeners.dead_letters.note_refusal", unreadable)
    assert isinstance(await judged(router, a_bad_answer(execution)), Reject)

    assert 1 == await store.count(A_TENANT, DeadLetterRecord, {})


async def test_a_note_between_the_end_and_its_mark_does_not_announce_the_end_twice(
    store: RecordStore, bus: EventBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    execution = await an_open_one(store)
    ended = await transitions.fail(
        store, await store.read(A_TENANT, ExecutionRecord, execution.id), "no", "no"
    )
    letter = letter_of(INTAKE.name, a_bad_answer(execution))

    async def publish(*messages: Message, required: bool = False) -> None:
        await note_refusal(store, letter, a_bad_answer(execution))

    monkeypatch.setattr(bus, "publish", publish)
    await transitions.announce(store, bus, [ended])

    announced = await as_it_is(store, execution)
    assert announced.announced_at is not None
    assert 1 == len(announced.refused_answers)


async def test_another_tenant_leaves_no_note(router: Router, store: RecordStore) -> None:
    execution = await an_open_one(store)

    await judged(router, a_bad_answer(execution, tenant_id=ANOTHER_TENANT))

    assert execution == await as_it_is(store, execution)


@pytest.mark.parametrize(
    ("event_type", "name"), [("completed", "completedAt"), ("failed", "failedAt")]
)
async def test_a_job_report_whose_moment_has_no_zone_ends_its_run(
    router: Router, store: RecordStore, event_type: str, name: str
) -> None:
    run = an_execution(
        tenant_id=SYSTEM_TENANT, workflow=jobs.WORKFLOW, subject="outcome-sync", status="running"
    )
    await store.create(SYSTEM_TENANT, run)
    data = {
        "job": "outcome-sync",
        name: (now() + timedelta(minutes=1)).replace(tzinfo=None).isoformat(),
    }

    assert Accept() == await judged(
        router, message(f"workflow.job.{event_type}", data, tenant_id=SYSTEM_TENANT)
    )

    assert event_type == (await store.read(SYSTEM_TENANT, ExecutionRecord, run.id)).record.status


# --- the flow -------------------------------------------------------------------------------------


async def a_batch(
    store: RecordStore, bus: EventBus, tmp_path: Path
) -> tuple[AnalysisBatch, ExecutionRecord]:
    pending = await store.create(A_TENANT, an_execution())
    held = await claim(store, A_TENANT, pending.record.id, "run-1", workflow=WORKFLOW)
    assert held
    settings = load_settings({"ORCHESTRATOR_DATA_DIR": str(tmp_path)})
    runtime = Runtime(settings, bus, store, RememberedFlowRuns())
    return AnalysisBatch(runtime, A_TENANT, [Analysis(held, RULES)]), held.record


async def test_the_error_of_a_time_out_says_what_was_refused(
    router: Router, store: RecordStore, bus: EventBus, tmp_path: Path
) -> None:
    batch, execution = await a_batch(store, bus, tmp_path)
    verdict = await judged(router, a_bad_answer(execution))
    assert isinstance(verdict, Reject)

    await batch.wait_for_answers(STEP_BY_NAME["risk_analysis"])

    [step] = await step_records(store, A_TENANT, [execution.id])
    expected = (
        "risk_analysis was not answered within 0 s; 1 answer was refused: schema-invalid: "
        f"{verdict.reason}"
    )
    assert expected == step.error


@pytest.mark.parametrize("failing", [True, False])
async def test_a_note_does_not_keep_a_run_from_ending_its_execution(
    router: Router,
    store: RecordStore,
    bus: EventBus,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    failing: bool,
) -> None:
    async def drop(*messages: Message, required: bool = False) -> None: ...

    monkeypatch.setattr(bus, "publish", drop)
    batch, execution = await a_batch(store, bus, tmp_path)
    for step in ANALYSIS_STEPS:
        await judged(router, a_bad_answer(execution))
        failed = {"error": "no"} if failing and step.critical else {"result": {"riskScore": 0.2}}
        batch.receive(await record_step(store, execution, step.name, **failed))
        await batch.take_early_answers(step)
    await judged(router, a_bad_answer(execution))

    await asyncio.wait_for(batch.conclude(), timeout=10)

    ended = await as_it_is(store, execution)
    assert ("failed" if failing else "completed", 5) == (ended.status, len(ended.refused_answers))


async def test_a_retry_begins_without_the_notes_of_the_try_before(
    router: Router, store: RecordStore
) -> None:
    execution = await an_open_one(store)
    await judged(router, a_bad_answer(execution))
    failed = await transitions.fail(
        store,
        await store.read(A_TENANT, ExecutionRecord, execution.id),
        "step-timeout",
        "no answer",
    )

    assert [] == (await transitions.reopen(store, failed)).record.refused_answers
