"""`/workflows`: what a person sees of each family, and starting one by hand without a script."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.records import ExecutionRecord
from blocks.ports import Query
from blocks.services import open_bus
from blocks.settings import load_settings
from blocks.topology import topology
from tests.support.api.api_client import Api, an_api
from tests.support.factories import A_TENANT, ANOTHER_TENANT, an_execution, now
from tests.support.pages.visitor import Visitor, signed_in

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with an_api(tmp_path) as api:
        environment = {"ORCHESTRATOR_DATA_DIR": str(tmp_path)}
        async with open_bus(load_settings(environment), "test") as bus:
            await bus.declare(*topology(load_settings(environment)))
        yield api


@pytest.fixture
async def ann(api: Api) -> AsyncIterator[Visitor]:
    async with signed_in(api.app, "operator", user="ann") as visitor:
        yield visitor


@pytest.fixture
async def platform(api: Api) -> AsyncIterator[Visitor]:
    async with signed_in(api.app, "operator", tenant_id=SYSTEM_TENANT) as visitor:
        yield visitor


def a_job_run(**changes: Any) -> ExecutionRecord:
    run = {
        "tenant_id": SYSTEM_TENANT,
        "workflow": "batch-job",
        "subject": "outcome-sync",
        "status": "completed",
        "input": {"metadata": {}, "triggeredBy": "scheduler"},
    }
    return an_execution(**run | changes)


async def job_runs(api: Api) -> list[ExecutionRecord]:
    page = await api.store.query(SYSTEM_TENANT, Query(ExecutionRecord, {"workflow": "batch-job"}))
    return [stored.record for stored in page.items]


async def test_it_lists_workflows_and_jobs_with_their_schedules(ann: Visitor) -> None:
    text = (await ann.open("/workflows")).text

    assert "Opportunity analysis" in text
    assert "Claim recovery" in text
    assert "Outcome sync" in text
    assert "0 1 * * *" in text
    assert "no runs yet" in text


async def test_operations_are_shown_to_the_platform_alone(ann: Visitor, platform: Visitor) -> None:
    assert "Operations" not in (await ann.open("/workflows")).text
    assert "Operations" in (await platform.open("/workflows")).text
    assert (await ann.open("/workflows/log-rotation")).status == 404
    assert (await platform.open("/workflows/log-rotation")).status == 200


async def test_the_last_outcomes_are_a_strip(api: Api, ann: Visitor) -> None:
    await api.holds(
        an_execution(status="completed", created_at=now() - timedelta(hours=2)),
        an_execution(status="failed", error="out of luck"),
        an_execution(status="completed", tenant_id=ANOTHER_TENANT),
    )

    shown = await ann.open("/workflows/opportunity-analysis")

    assert "last 2 runs: 1 completed, 1 failed or unreported" in shown.text
    assert "out of luck" in shown.text
    bars = [attributes["class"] for tag, attributes in shown.tags if tag == "rect"]
    assert bars == ["neutral"] * 28 + ["good", "bad"]


async def test_a_tenant_does_not_see_runs_for_another(api: Api, ann: Visitor) -> None:
    for_another = {"metadata": {"tenantIds": [ANOTHER_TENANT]}, "triggeredBy": "api"}
    await api.holds(a_job_run(input=for_another, status="failed", error="of the other"))

    shown = await ann.open("/workflows/outcome-sync")

    assert "of the other" not in shown.text
    assert "No runs yet" in shown.text


async def test_a_job_is_triggered_once_by_a_form_that_is_sent_twice(api: Api, ann: Visitor) -> None:
    shown = await ann.open("/workflows/outcome-sync")
    fields = shown.form("/jobs/outcome-sync/trigger")

    shown = await ann.send("/jobs/outcome-sync/trigger")
    assert shown.path == "/workflows/outcome-sync"
    assert "its run appears below" in shown.text
    again = await ann.client.post("/jobs/outcome-sync/trigger", data=fields)

    assert again.status_code == 200
    [run] = await job_runs(api)
    assert run.input["metadata"] == {"tenantIds": [A_TENANT]}
    assert run.status == "running"


async def test_what_a_job_does_not_take_is_named(ann: Visitor) -> None:
    await ann.open("/workflows/outcome-sync")

    shown = await ann.send("/jobs/outcome-sync/trigger", period="2026-Q1")

    assert shown.status == 400
    assert "is not taken by outcome-sync" in shown.text


async def test_an_analysis_is_started_by_hand(api: Api, ann: Visitor) -> None:
    await ann.open("/workflows/opportunity-analysis")

    shown = await ann.send(
        "/workflows/opportunity-analysis/start", subject=HOSTILE, input='{"amount": 5}'
    )

    assert HOSTILE in shown.text
    assert HOSTILE not in shown.html
    page = await api.store.query(A_TENANT, Query(ExecutionRecord, {"subject": HOSTILE}))
    assert [stored.record.input["amount"] for stored in page.items] == [5]


async def test_an_operation_is_started_by_the_platform_alone(
    api: Api, ann: Visitor, platform: Visitor
) -> None:
    await platform.open("/workflows/log-rotation")
    shown = await platform.send("/workflows/log-rotation/start")
    assert "its run appears below" in shown.text

    await ann.open("/workflows/opportunity-analysis")
    fields = ann.shown.form("/workflows/opportunity-analysis/start") if ann.shown else {}
    refused = await ann.client.post("/workflows/log-rotation/start", data=fields)

    assert refused.status_code == 404
    page = await api.store.query(
        SYSTEM_TENANT, Query(ExecutionRecord, {"workflow": "log-rotation"})
    )
    assert len(page.items) == 1


async def test_who_only_looks_starts_nothing(api: Api) -> None:
    async with signed_in(api.app, "viewer") as visitor:
        shown = await visitor.open("/workflows/outcome-sync")
        assert "Trigger" not in shown.text

        token = shown.form("/logout")
        refused = await visitor.client.post("/jobs/outcome-sync/trigger", data=token)

    assert refused.status_code == 403
    assert await job_runs(api) == []


async def test_a_backfill_shows_how_far_it_is(api: Api, platform: Visitor) -> None:
    await platform.open("/workflows/risk-snapshot-backfill")

    shown = await platform.send(
        "/jobs/risk-snapshot-backfill/backfill",
        **{"from": "2026-01-01", "to": "2026-01-17", "days": "7"},
    )

    assert "0 of 3 pieces have ended; 3 are triggered." in shown.text
    assert "2026-01-15 to 2026-01-17" in shown.text
    runs = await job_runs(api)
    assert {run.input["metadata"]["from"] for run in runs} == {
        "2026-01-01",
        "2026-01-08",
        "2026-01-15",
    }

    [stored] = [
        await api.store.read(SYSTEM_TENANT, ExecutionRecord, run.id)
        for run in runs
        if run.input["metadata"]["from"] == "2026-01-01"
    ]
    ended = {"status": "completed", "completed_at": now()}
    await api.store.replace(SYSTEM_TENANT, stored.etag, replace(stored.record, **ended))

    assert "1 of 3 pieces have ended" in (await platform.open(shown.path)).text


async def test_a_backfill_that_is_sent_again_sends_nothing_twice(
    api: Api, platform: Visitor
) -> None:
    shown = await platform.open("/workflows/risk-snapshot-backfill")
    fields = shown.form("/jobs/risk-snapshot-backfill/backfill")
    days: dict[str, Any] = {"from": "2026-01-01", "to": "2026-01-14", "days": "7"}

    for _ in range(2):
        await platform.client.post("/jobs/risk-snapshot-backfill/backfill", data=fields | days)

    assert len(await job_runs(api)) == 2


async def test_a_backfill_is_for_the_platform(ann: Visitor) -> None:
    shown = await ann.open("/workflows/risk-snapshot-backfill")
    assert "Backfill A range" not in shown.text

    path = "/jobs/risk-snapshot-backfill/backfill?from=2026-01-01&to=2026-01-07&key=12345678"
    assert (await ann.open(path)).status == 403
