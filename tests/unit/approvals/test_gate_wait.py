"""What is typed into the form of a suspended run counts once, for the stage that was read, or the
run's log has why it does not.
"""

import logging
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from prefect.exceptions import Pause

from blocks.approvals import lifecycle
from blocks.approvals.decisions import Vote
from blocks.contracts.events import JsonObject
from blocks.contracts.records import ApprovalRecord
from blocks.ports import Stored, Unavailable
from blocks.services import open_bus, open_store
from blocks.settings import load_settings
from flows.shared import gate_wait
from flows.shared.runtime import Runtime
from tests.support.factories import A_TENANT, an_approval
from tests.support.flow_runs import RememberedFlowRuns
from tests.unit.approval_stages.terms import in_stages, stage

APPROVES = {"decision": "approve", "decided_by": "ann"}
ONE, TWO, THREE = stage("one"), stage("two", repeat=True), stage("three", repeat=True)


class Forms:
    """Prefect's part: it shows a form once under each key, and keeps what was typed into it."""

    def __init__(self) -> None:
        self.shown: dict[str, str] = {}
        self.typed: dict[str, JsonObject] = {}

    async def suspended(
        self, schema: JsonObject, question: str, *, key: str, message: str
    ) -> JsonObject | None:
        if key in self.shown:
            return self.typed.get(key)
        self.shown[key] = question
        raise Pause

    async def given(self, key: str) -> JsonObject | None:
        return self.typed.get(key)

    @property
    def question(self) -> str:
        return list(self.shown.values())[-1]

    def type_into_the_last(self, answer: JsonObject) -> None:
        self.typed[list(self.shown)[-1]] = answer


@pytest.fixture
def forms(monkeypatch: pytest.MonkeyPatch) -> Forms:
    forms = Forms()
    monkeypatch.setattr(gate_wait, "suspended_with_form", forms.suspended)
    monkeypatch.setattr(gate_wait, "answer_given", forms.given)
    return forms


@pytest.fixture
async def context(tmp_path: Path) -> AsyncIterator[Runtime]:
    settings = load_settings({"ORCHESTRATOR_DATA_DIR": str(tmp_path)})
    async with open_store(settings) as store, open_bus(settings, "test") as bus:
        yield Runtime(settings, bus, store, RememberedFlowRuns())


async def now(context: Runtime, approval: ApprovalRecord) -> ApprovalRecord:
    return (await context.store.read(A_TENANT, ApprovalRecord, approval.id)).record


async def asked(context: Runtime, approval: ApprovalRecord) -> ApprovalRecord:
    """Its run is suspended, and shows its form."""
    await context.store.create(A_TENANT, approval)
    with pytest.raises(Pause):
        await gate_wait.wait(context, approval)
    return approval


async def approved_through_the_api(context: Runtime, approval: ApprovalRecord) -> None:
    vote = Vote(actor="ann", outcome="approved", channel="api")
    await lifecycle.record_vote(context.store, A_TENANT, approval.id, vote)


def votes(approval: ApprovalRecord) -> list[tuple[str | None, str]]:
    return [(one.stage, one.actor) for one in approval.decisions]


# --- a stage --------------------------------------------------------------------------------------


async def test_an_answer_for_a_stage_that_was_decided_meanwhile_is_none_for_the_next(
    context: Runtime, forms: Forms
) -> None:
    approval = await asked(context, in_stages(ONE, TWO))
    await approved_through_the_api(context, approval)
    forms.type_into_the_last({"decision": "approve", "decided_by": "bob"})

    with pytest.raises(Pause):
        await gate_wait.wait(context, await now(context, approval))

    in_two = await now(context, approval)
    assert ("pending", [("one", "ann")]) == (in_two.status, votes(in_two))
    assert "Stage: two (2 of 2)" in forms.question
    assert "did not count:** bob: stage one" in forms.question


async def test_it_is_logged_once_though_the_run_starts_again(
    context: Runtime, forms: Forms, caplog: pytest.LogCaptureFixture
) -> None:
    approval = await asked(context, in_stages(ONE, TWO, THREE))
    await approved_through_the_api(context, approval)
    forms.type_into_the_last({"decision": "approve", "decided_by": "bob"})

    with caplog.at_level(logging.WARNING, gate_wait.log.name):
        with pytest.raises(Pause):
            await gate_wait.wait(context, await now(context, approval))
        forms.type_into_the_last({"decision": "approve", "decided_by": "cid"})
        await gate_wait.wait(context, await now(context, approval))

    assert [("one", "ann"), ("two", "claimed:cid")] == votes(await now(context, approval))
    assert 1 == caplog.text.count("does not count: bob")


async def test_an_answer_counts_once_though_its_worker_died_after_the_vote(
    context: Runtime, forms: Forms, monkeypatch: pytest.MonkeyPatch
) -> None:
    approval = await asked(context, in_stages(ONE, TWO))
    forms.type_into_the_last(APPROVES)

    def died(times: int) -> lifecycle.Change:
        raise Unavailable("the worker has died")

    with monkeypatch.context() as dying, suppress(Unavailable):
        dying.setattr(gate_wait, "_waited", died)
        await gate_wait.wait(context, approval)
    with pytest.raises(Pause):
        await gate_wait.wait(context, await now(context, approval))

    in_two = await now(context, approval)
    assert ("pending", [("one", "claimed:ann")]) == (in_two.status, votes(in_two))
    assert "did not count" not in forms.question


async def test_an_answer_that_is_taken_while_its_stage_is_decided_counts_for_no_other(
    context: Runtime, forms: Forms
) -> None:
    approval = await asked(context, in_stages(ONE, TWO))
    forms.type_into_the_last({"decision": "approve", "decided_by": "bob"})
    await approved_through_the_api(context, approval)

    refusal = await gate_wait.wait(context, approval)  # as it was read before

    assert refusal
    assert "two is asked" in refusal
    assert [("one", "ann")] == votes(await now(context, approval))


@pytest.mark.parametrize("approval", [an_approval(), in_stages(ONE, TWO)])
async def test_a_run_that_an_earlier_release_suspended_is_found_under_its_key(
    context: Runtime, forms: Forms, approval: ApprovalRecord
) -> None:
    await asked(context, approval)

    assert [approval.id] == list(forms.shown)


# --- the log --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "through", "is_logged"),
    [(APPROVES, "api", True), (APPROVES, "prefect-ui", False), ({}, "api", False)],
)
async def test_an_answer_that_another_one_preceded_is_logged_as_one_that_does_not_count(
    typed: dict[str, Any],
    through: str,
    is_logged: bool,
    forms: Forms,
    caplog: pytest.LogCaptureFixture,
) -> None:
    decided = an_approval(status="rejected", decided_by="bob", decided_through=through)
    forms.typed[decided.id] = typed
    with caplog.at_level(logging.WARNING, gate_wait.log.name):
        await gate_wait.notice_late_answer(Stored(decided, "1"))

    assert is_logged == ("does not count: ann: it is rejected already" in caplog.text)


async def test_an_answer_in_an_earlier_stage_is_logged_when_the_last_one_is_decided(
    context: Runtime, forms: Forms, caplog: pytest.LogCaptureFixture
) -> None:
    approval = await asked(context, in_stages(ONE, TWO))
    forms.type_into_the_last({"decision": "reject", "decided_by": "bob", "comment": "no"})
    await approved_through_the_api(context, approval)
    await approved_through_the_api(context, approval)

    with caplog.at_level(logging.WARNING, gate_wait.log.name):
        await gate_wait.notice_late_answer(Stored(await now(context, approval), "1"))

    assert "does not count: bob: it is approved already" in caplog.text
