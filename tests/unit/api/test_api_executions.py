"""GET /api/v1/executions and /api/v1/executions/{id}."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from blocks.contracts import ids
from blocks.contracts.records import ExecutionRecord
from blocks.contracts.states import ExecutionStatus
from tests.support.api.api_client import Api, an_api
from tests.support.factories import (
    A_TENANT,
    AN_ID,
    ANOTHER_TENANT,
    a_step,
    an_execution,
    new_id,
    now,
)


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with an_api(tmp_path) as api:
        yield api


async def test_executions_are_listed_newest_first(api: Api) -> None:
    first, second, third = executions(3)
    await api.holds(second, third, first)

    response = await api.get("/api/v1/executions")

    assert 200 == response.status_code
    assert [third.id, second.id, first.id] == [
        execution["id"] for execution in response.json()["items"]
    ]


async def test_a_listed_execution_says_what_it_is_about_and_how_it_stands(api: Api) -> None:
    failed = an_execution(
        status="failed", error="Forecast failed", error_code="step-failed", failed_step="forecast"
    )
    await api.holds(failed)

    listed = (await api.get("/api/v1/executions")).json()["items"][0]

    assert {
        "id": failed.id,
        "tenantId": A_TENANT,
        "workflow": "opportunity-analysis",
        "subject": failed.subject,
        "status": "failed",
        "error": "Forecast failed",
        "errorCode": "step-failed",
        "failedStep": "forecast",
    }.items() <= listed.items()
    assert not {"results", "input", "triggers", "flowRunId", "attempt"} & listed.keys()


@pytest.mark.parametrize("name", ["workflow", "status", "subject", "rerunOf"])
async def test_a_filter_leaves_only_what_matches(api: Api, name: str) -> None:
    wanted = an_execution(
        workflow="claim-recovery", status="running", subject="claim-17", rerun_of=new_id()
    )
    await api.holds(wanted, an_execution())

    value = msgspec.to_builtins(wanted)[name]
    response = await api.get("/api/v1/executions", **{name: value})

    assert [wanted.id] == [execution["id"] for execution in response.json()["items"]]


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"createdAfter": "2026-03-02T12:00:00Z"}, ["second", "first"]),
        (
            {"createdAfter": "2026-03-02T13:00:00+01:00", "createdBefore": "2026-03-03T00:00:00Z"},
            ["first"],
        ),
        ({"createdBefore": "2026-03-02T12:00:00"}, []),
    ],
)
async def test_executions_are_found_by_when_they_were_created(
    api: Api, limits: dict[str, str], expected: list[str]
) -> None:
    await api.holds(
        an_execution(subject="first", created_at=datetime(2026, 3, 2, 12, tzinfo=UTC)),
        an_execution(subject="second", created_at=datetime(2026, 3, 3, tzinfo=UTC)),
    )

    response = await api.get("/api/v1/executions", **limits)

    assert expected == [execution["subject"] for execution in response.json()["items"]]


@pytest.mark.parametrize("moment", ["yesterday", "2026-13-02T12:00:00Z", ""])
async def test_what_is_no_moment_is_refused(api: Api, moment: str) -> None:
    response = await api.get("/api/v1/executions", createdBefore=moment)

    assert (400, "createdBefore") == (
        response.status_code,
        response.json()["error"]["details"][0]["field"],
    )


async def test_pages_hold_every_execution_once(api: Api) -> None:
    everything = executions(5)
    await api.holds(*everything)

    sizes, seen, page = [], [], (await api.get("/api/v1/executions", limit=2)).json()
    while page:
        sizes.append(len(page["items"]))
        seen += [execution["id"] for execution in page["items"]]
        more = page.get("continuation")
        page = (
            (await api.get("/api/v1/executions", limit=2, continuation=more)).json()
            if more
            else None
        )

    assert [2, 2, 1] == sizes
    assert [execution.id for execution in reversed(everything)] == seen


async def test_another_tenants_continuation_is_refused(api: Api) -> None:
    await api.holds(*executions(2))
    continuation = (await api.get("/api/v1/executions", limit=1)).json()["continuation"]

    response = await api.get("/api/v1/executions", ANOTHER_TENANT, continuation=continuation)

    assert 400 == response.status_code


async def test_an_execution_is_read_with_its_four_steps_in_order(api: Api) -> None:
    execution = an_execution(status="running")
    forecast = a_step(execution_id=execution.id, step="forecast", result={"revenueForecast": 5})
    scoring = a_step(
        execution_id=execution.id,
        step="risk_scoring",
        status="failed",
        result=None,
        error="no model",
    )
    await api.holds(execution, forecast, scoring)

    steps = (await api.get(f"/api/v1/executions/{execution.id}")).json()["steps"]

    assert [
        ("risk_analysis", "running"),
        ("risk_scoring", "failed"),
        ("forecast", "completed"),
        ("recommendation", "running"),
    ] == [(step["step"], step["status"]) for step in steps]
    assert ("no model", {"revenueForecast": 5}) == (steps[1]["error"], steps[2]["result"])


async def test_a_step_has_its_computed_id_before_it_has_a_record(api: Api) -> None:
    execution = an_execution()
    await api.holds(execution)

    steps = (await api.get(f"/api/v1/executions/{execution.id}")).json()["steps"]

    assert ids.step_id(execution.id, "risk_analysis") == steps[0]["stepId"]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("pending", "pending"),
        ("running", "running"),
        ("awaiting_approval", "running"),
        ("completed", "skipped"),
        ("failed", "skipped"),
        ("cancelled", "skipped"),
    ],
)
async def test_a_step_without_a_record_stands_as_its_execution_does(
    api: Api, status: ExecutionStatus, expected: str
) -> None:
    execution = an_execution(status=status)
    await api.holds(execution)

    steps = (await api.get(f"/api/v1/executions/{execution.id}")).json()["steps"]

    assert [expected] * 4 == [step["status"] for step in steps]


async def test_an_execution_of_another_workflow_shows_the_steps_it_recorded(api: Api) -> None:
    execution = an_execution(workflow="claim-recovery", status="running")
    await api.holds(
        execution,
        a_step(execution_id=execution.id, step="submission", completed_at=now()),
        a_step(
            execution_id=execution.id, step="detection", completed_at=now() - timedelta(seconds=1)
        ),
    )

    steps = (await api.get(f"/api/v1/executions/{execution.id}")).json()["steps"]

    assert ["detection", "submission"] == [step["step"] for step in steps]


async def test_an_execution_is_read_with_its_results_and_what_caused_it(api: Api) -> None:
    execution = an_execution(status="completed", results={"risk": {"riskScore": 0.4}})
    await api.holds(execution)

    found = (await api.get(f"/api/v1/executions/{execution.id}")).json()

    assert {"risk": {"riskScore": 0.4}} == found["results"]
    assert [execution.triggers[0].event_id] == [trigger["eventId"] for trigger in found["triggers"]]
    assert not {"input", "digest", "flowRunId", "announcedAt"} & found.keys()


async def test_an_id_is_the_same_in_capitals(api: Api) -> None:
    execution = an_execution()
    await api.holds(execution)

    assert (
        execution.id == (await api.get(f"/api/v1/executions/{execution.id.upper()}")).json()["id"]
    )


@pytest.mark.parametrize("unknown", [AN_ID, "nonsense", "..", "%00", "a" * 300])
async def test_an_unknown_execution_is_not_found(api: Api, unknown: str) -> None:
    response = await api.get(f"/api/v1/executions/{unknown}")

    assert 404 == response.status_code


def executions(count: int) -> list[ExecutionRecord]:
    """Oldest first, a second apart."""
    return [an_execution(created_at=now() + timedelta(seconds=second)) for second in range(count)]


async def test_an_execution_names_its_flow_run_in_prefects_ui(tmp_path: Path) -> None:
    execution = an_execution(status="running", flow_run_id="run-1")
    pending = an_execution()
    async with an_api(tmp_path, PREFECT_API_URL="http://u:s3cret@prefect:4200/api") as api:
        await api.holds(execution, pending)

        running = (await api.get(f"/api/v1/executions/{execution.id}")).json()
        waiting = (await api.get(f"/api/v1/executions/{pending.id}")).json()

    assert "http://prefect:4200/runs/flow-run/run-1" == running["flowRunUrl"]
    assert "flowRunUrl" not in waiting
