"""One execution: what it shows, to whom, and what operators do with it without a script."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from blocks.contracts.records import ExecutionRecord, RefusedAnswer
from blocks.contracts.records.executions import PreviousOutcome
from tests.support.api.api_client import Api, an_api
from tests.support.factories import (
    A_TENANT,
    AN_ID,
    ANOTHER_TENANT,
    a_step,
    an_approval,
    an_execution,
    new_id,
    now,
)
from tests.support.pages.visitor import Visitor, signed_in

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
HTMX = {"HX-Request": "true"}
RESULTS = {
    "risk": {"riskScore": 0.82, "detectedRisks": [{"riskName": "Budget", "contribution": 0.4}]},
    "scoring": {"mlRiskScore": 0.74, "confidence": 0.9},
    "forecast": {"revenueForecast": 1_480_000, "confidence": 0.77},
    "recommendations": {"recommendations": [{"title": "Call the buyer", "score": 0.9}]},
}


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with an_api(tmp_path, PREFECT_UI_URL="https://prefect.example") as api:
        yield api


@pytest.fixture
async def ann(api: Api) -> AsyncIterator[Visitor]:
    async with signed_in(api.app, "viewer") as visitor:
        yield visitor


@pytest.fixture
async def oli(api: Api) -> AsyncIterator[Visitor]:
    async with signed_in(api.app, "operator", user="oli") as visitor:
        yield visitor


def one_that_ended(**changes: object) -> ExecutionRecord:
    began = now() - timedelta(seconds=9)
    facts = {
        "status": "completed",
        "created_at": began,
        "started_at": began + timedelta(seconds=1),
        "completed_at": now(),
        "announced_at": now(),
        "flow_run_id": new_id(),
    }
    return an_execution(**(facts | changes))


def one_that_failed(**changes: object) -> ExecutionRecord:
    facts = {"status": "failed", "error": "no model", "failed_step": "forecast"}
    return one_that_ended(**(facts | changes))


async def read(api: Api, id: str) -> ExecutionRecord:
    return (await api.store.read(A_TENANT, ExecutionRecord, id)).record


# --- what it shows --------------------------------------------------------------------------------


async def test_results_are_cards(api: Api, ann: Visitor) -> None:
    execution = one_that_ended(results=RESULTS)
    await api.holds(execution)

    text = (await ann.open(f"/executions/{execution.id}")).text

    for found in ("82%", "Budget", "1,480,000", "77% sure", "Call the buyer", "As JSON"):
        assert found in text


async def test_answers_show_before_the_end(api: Api, ann: Visitor) -> None:
    execution = an_execution(status="running", started_at=now())
    await api.holds(execution, a_step(execution_id=execution.id, result=RESULTS["risk"]))

    text = (await ann.open(f"/executions/{execution.id}")).text

    assert "82%" in text
    assert "waiting for the answer" in text


@pytest.mark.parametrize(
    "results",
    [
        {"risk": "85", "forecast": [], "recommendations": {"recommendations": "none"}},
        {"risk": {"riskScore": "high", "detectedRisks": ["text", 7, None]}},
        {"forecast": {"revenueForecast": {"low": 1, "high": 2}, "confidence": 77}},
    ],
)
async def test_results_of_any_shape_show(
    api: Api, ann: Visitor, results: dict[str, object]
) -> None:
    execution = one_that_ended(results=results)
    await api.holds(execution)

    assert 200 == (await ann.open(f"/executions/{execution.id}")).status


async def test_each_step_has_a_bar_and_its_duration(api: Api, ann: Visitor) -> None:
    execution = one_that_ended()
    answered = execution.created_at + timedelta(seconds=4)
    await api.holds(execution, a_step(execution_id=execution.id, completed_at=answered))

    shown = await ann.open(f"/executions/{execution.id}")

    assert "Risk analysis: completed, 3 s" in shown.html
    assert "Waiting for a worker" in shown.text


async def test_a_failure_shows_why_and_what_was_refused(api: Api, ann: Visitor) -> None:
    letter = new_id()
    refused = RefusedAnswer(
        step="forecast",
        code="bad",
        reason="no number",
        event_id="e",
        dead_letter_id=letter,
        at=now(),
    )
    execution = one_that_failed(refused_answers=[refused])
    await api.holds(execution)

    shown = await ann.open(f"/executions/{execution.id}")

    assert "Forecast : no model" in shown.text
    assert "no number" in shown.text
    assert f"/dead-letters/{letter}" not in shown.links()


async def test_it_leads_to_the_decision_that_it_waits_for(api: Api, ann: Visitor) -> None:
    execution = an_execution(status="awaiting_approval", started_at=now())
    approval = an_approval(execution_id=execution.id)
    await api.holds(execution, approval)

    assert f"/approvals/{approval.id}" in (await ann.open(f"/executions/{execution.id}")).links()


async def test_earlier_ends_are_among_the_events(api: Api, ann: Visitor) -> None:
    ended = PreviousOutcome(
        status="failed", completed_at=now(), retried_at=now(), retried_by="oli", error="first error"
    )
    execution = an_execution(previous_outcomes=[ended])
    await api.holds(execution)

    text = (await ann.open(f"/executions/{execution.id}")).text

    assert "first error" in text
    assert "Retried by oli" in text


async def test_it_updates_itself_until_its_end(api: Api, ann: Visitor) -> None:
    running, ended = an_execution(status="running", started_at=now()), one_that_ended()
    await api.holds(running, ended)

    live = await ann.client.get(f"/executions/{running.id}", headers=HTMX)
    still = await ann.client.get(f"/executions/{ended.id}", headers=HTMX)

    assert "<html" not in live.text
    assert 'hx-trigger="every 2s"' in live.text
    assert "hx-trigger" not in still.text


async def test_a_hostile_name_is_text(api: Api, oli: Visitor) -> None:
    execution = one_that_failed(
        subject=HOSTILE,
        error=HOSTILE,
        error_code=HOSTILE,
        input={HOSTILE: HOSTILE},
        results={HOSTILE: HOSTILE, "recommendations": {"recommendations": [{"title": HOSTILE}]}},
    )
    await api.holds(execution)

    for path in (f"/executions/{execution.id}", "/executions", "/"):
        html = (await oli.open(path)).html
        assert "<script>alert" not in html
        assert "<img src=x" not in html


@pytest.mark.parametrize("id", [AN_ID, "no-uuid"])
async def test_an_unknown_one_is_not_found(ann: Visitor, id: str) -> None:
    assert 404 == (await ann.open(f"/executions/{id}")).status


async def test_another_tenants_is_not_found(api: Api, ann: Visitor) -> None:
    foreign = an_execution(tenant_id=ANOTHER_TENANT)
    await api.holds(foreign)

    assert 404 == (await ann.open(f"/executions/{foreign.id}")).status


# --- what operators do ----------------------------------------------------------------------------


async def test_only_operators_are_led_to_prefect_and_to_changes(
    api: Api, ann: Visitor, oli: Visitor
) -> None:
    execution = one_that_failed()
    await api.holds(execution)

    of_ann = await ann.open(f"/executions/{execution.id}")
    of_oli = await oli.open(f"/executions/{execution.id}")

    run = f"https://prefect.example/runs/flow-run/{execution.flow_run_id}"
    assert run not in of_ann.links()
    assert run in of_oli.links()
    assert f"/executions/{execution.id}/retry" not in of_ann.forms
    assert f"/executions/{execution.id}/retry" in of_oli.forms


async def test_a_failed_one_is_retried(api: Api, oli: Visitor) -> None:
    execution = one_that_failed()
    await api.holds(execution)
    await oli.open(f"/executions/{execution.id}")

    shown = await oli.send(f"/executions/{execution.id}/retry")

    assert "tried again" in shown.text
    assert f"/executions/{execution.id}" == shown.path
    stored = await read(api, execution.id)
    assert ("pending", "oli") == (stored.status, stored.previous_outcomes[0].retried_by)


async def test_an_open_one_is_cancelled_with_its_reason(api: Api, oli: Visitor) -> None:
    execution = an_execution()
    await api.holds(execution)
    await oli.open(f"/executions/{execution.id}")

    await oli.send(f"/executions/{execution.id}/cancel", reason="asked twice")

    stored = await read(api, execution.id)
    assert ("cancelled", "asked twice") == (stored.status, stored.error)


async def test_what_has_changed_since_is_not_cancelled(api: Api, oli: Visitor) -> None:
    execution = an_execution()
    await api.holds(execution)
    await oli.open(f"/executions/{execution.id}")
    stored = await api.store.read(A_TENANT, ExecutionRecord, execution.id)
    await api.store.replace(
        A_TENANT, stored.etag, an_execution(id=execution.id, status="running", started_at=now())
    )

    shown = await oli.send(f"/executions/{execution.id}/cancel")

    assert "This is how it stands now" in shown.text
    assert "running" == (await read(api, execution.id)).status


async def test_one_that_ended_is_run_again(api: Api, oli: Visitor) -> None:
    execution = one_that_ended(results=RESULTS)
    await api.holds(execution)
    await oli.open(f"/executions/{execution.id}")

    shown = await oli.send(f"/executions/{execution.id}/rerun")

    new = await read(api, shown.path.rpartition("/")[2])
    assert execution.id == new.rerun_of
    assert f"/executions/{execution.id}" in shown.links()


@pytest.mark.parametrize("act", ["retry", "cancel", "rerun"])
async def test_a_viewer_changes_nothing(api: Api, ann: Visitor, act: str) -> None:
    execution = one_that_failed()
    await api.holds(execution)
    token = (await ann.open("/executions")).form("/logout")

    answer = await ann.client.post(f"/executions/{execution.id}/{act}", data=token)

    assert 403 == answer.status_code
    assert "failed" == (await read(api, execution.id)).status


@pytest.mark.parametrize("act", ["retry", "cancel", "rerun"])
async def test_another_tenants_is_not_changed(api: Api, oli: Visitor, act: str) -> None:
    foreign = one_that_failed(tenant_id=ANOTHER_TENANT)
    await api.holds(foreign)
    token = (await oli.open("/executions")).form("/logout")

    answer = await oli.client.post(f"/executions/{foreign.id}/{act}", data=token)

    assert 404 == answer.status_code
