"""GET /api/v1/jobs, POST /api/v1/jobs/{job}/trigger, and the jobs' metrics."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from blocks.clock import utc_now
from blocks.contracts.envelope import Event
from blocks.contracts.events import JobCompleted
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.jobs import JOBS
from blocks.services import open_bus
from blocks.settings import load_settings
from blocks.topology import batch_jobs_queue
from listeners.job_reports import record_job_report
from tests.support.api.api_client import Api, an_api
from tests.support.event_context import context_of
from tests.support.factories import A_TENANT, ANOTHER_TENANT, new_id


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    settings = load_settings({"ORCHESTRATOR_DATA_DIR": str(tmp_path)})
    async with open_bus(settings, "test") as bus, an_api(tmp_path) as api:
        await bus.declare(batch_jobs_queue(settings))
        yield api


async def trigger(
    api: Api, job: str, body: Any = None, tenant_id: str = A_TENANT, key: str = ""
) -> httpx.Response:
    headers = {"X-Tenant-ID": tenant_id} | ({"Idempotency-Key": key} if key else {})
    return await api.client.post(f"/api/v1/jobs/{job}/trigger", json=body, headers=headers)


async def sent(tmp_path: Path) -> list[dict[str, Any]]:
    settings = load_settings({"ORCHESTRATOR_DATA_DIR": str(tmp_path)})
    async with open_bus(settings, "test") as bus:
        return [
            json.loads(message.body)["data"]
            for message in await bus.peek(batch_jobs_queue(settings).name)
        ]


async def test_every_job_is_listed_with_its_schedule_and_its_last_run(api: Api) -> None:
    await trigger(api, "outcome-sync")

    jobs = {job["job"]: job for job in (await api.get("/api/v1/jobs")).json()["items"]}

    assert [job.id for job in JOBS] == list(jobs)
    sync, learning = jobs["outcome-sync"], jobs["cais-learning"]
    assert ("0 1 * * *", "UTC", True) == (sync["schedule"], sync["timeZone"], sync["isActive"])
    assert sync["nextRun"].endswith("T01:00:00Z")
    assert ("running", "api") == (sync["lastRun"]["status"], sync["lastRun"]["triggeredBy"])
    assert (False, None, None) == (
        learning["isActive"],
        learning.get("nextRun"),
        learning.get("lastRun"),
    )


async def test_a_tenant_sees_its_own_runs_and_those_for_all_and_no_others(api: Api) -> None:
    async def last_run(tenant_id: str) -> str | None:
        jobs = {
            job["job"]: job for job in (await api.get("/api/v1/jobs", tenant_id)).json()["items"]
        }
        return (jobs["outcome-sync"].get("lastRun") or {}).get("executionId")

    own = (await trigger(api, "outcome-sync")).json()["executionId"]
    assert (own, None, own) == (
        await last_run(A_TENANT),
        await last_run(ANOTHER_TENANT),
        await last_run(SYSTEM_TENANT),
    )

    for_all = (await trigger(api, "outcome-sync", tenant_id=SYSTEM_TENANT)).json()["executionId"]
    theirs = (await trigger(api, "outcome-sync", tenant_id=ANOTHER_TENANT)).json()["executionId"]

    assert (for_all, theirs) == (await last_run(A_TENANT), await last_run(ANOTHER_TENANT))


async def test_a_tenant_triggers_a_job_for_itself(api: Api, tmp_path: Path) -> None:
    response = await trigger(api, "industry-benchmarks", {"metadata": {"period": "2026-Q1"}})

    assert (202, {"period": "2026-Q1", "tenantIds": [A_TENANT]}) == (
        response.status_code,
        response.json()["metadata"],
    )
    [data] = await sent(tmp_path)
    assert ("industry-benchmarks", "api", [A_TENANT]) == (
        data["job"],
        data["triggeredBy"],
        data["metadata"]["tenantIds"],
    )


async def test_the_platform_triggers_a_job_for_all(api: Api, tmp_path: Path) -> None:
    body = {"metadata": {"from": "2026-01-01", "to": "2026-01-07"}}
    response = await trigger(api, "risk-snapshot-backfill", body, tenant_id=SYSTEM_TENANT)

    execution = await api.get(
        f"/api/v1/executions/{response.json()['executionId']}", tenant_id=SYSTEM_TENANT
    )
    assert ("batch-job", "risk-snapshot-backfill") == (
        execution.json()["workflow"],
        execution.json()["subject"],
    )
    assert ["trigger"] == [step["step"] for step in execution.json()["steps"]]


async def test_a_job_for_all_is_not_for_tenants(api: Api) -> None:
    response = await trigger(api, "risk-snapshot-backfill")
    assert (403, "FORBIDDEN") == (response.status_code, response.json()["error"]["code"])


async def test_the_same_idempotency_key_triggers_once(api: Api, tmp_path: Path) -> None:
    first, second = [await trigger(api, "propagation", key="k-1") for _ in range(2)]

    assert first.json()["eventId"] == second.json()["eventId"]
    assert 1 == len(await sent(tmp_path))
    other = await trigger(api, "propagation", {"metadata": {"tenantId": A_TENANT}}, key="k-1")
    assert 422 == other.status_code


async def test_two_tenants_may_use_the_same_key(api: Api, tmp_path: Path) -> None:
    await trigger(api, "propagation", key="k-1")
    assert (
        202 == (await trigger(api, "propagation", key="k-1", tenant_id=ANOTHER_TENANT)).status_code
    )
    assert 2 == len(await sent(tmp_path))


@pytest.mark.parametrize(
    ("job", "body", "field"),
    [
        ("outcome-sink", None, "job"),
        ("risk-snapshot-backfill", {"metadata": {"from": "2026-02-01", "to": "2026-01-01"}}, "to"),
        ("risk-snapshot-backfill", {"metadata": {"from": "yesterday", "to": "2026-01-01"}}, "from"),
        ("propagation", {"metadata": {"from": "2026-01-01", "to": "2026-01-02"}}, "from"),
        ("propagation", {"metadata": {"tenantIds": [ANOTHER_TENANT]}}, "tenantIds"),
        ("propagation", {"metadata": {"tenantId": ANOTHER_TENANT}}, "tenantId"),
        ("propagation", {"metadata": []}, "metadata"),
        ("propagation", {"from": "2026-01-01"}, None),
    ],
)
async def test_bad_input_is_refused_by_its_field(
    api: Api, tmp_path: Path, job: str, body: Any, field: str
) -> None:
    response = await trigger(api, job, body)

    assert (400, "VALIDATION_ERROR") == (response.status_code, response.json()["error"]["code"])
    [problem] = response.json()["error"]["details"]
    if field and field != "metadata":
        assert field == problem["field"]
        assert "accepted: " in problem["message"]
    assert [] == await sent(tmp_path)


async def test_the_metrics_count_triggers_and_time_reports(api: Api) -> None:
    await trigger(api, "propagation")
    await trigger(api, "propagation")
    data = JobCompleted(job="propagation", completed_at=utc_now())
    await record_job_report(
        context_of(api.store),
        Event(
            id=new_id(),
            tenant_id=SYSTEM_TENANT,
            timestamp=utc_now(),
            data=data,
            source="risk-analytics",
        ),
    )

    for _ in range(2):  # asking changes nothing
        text = (await api.client.get("/metrics")).text
        assert 'batch_job_triggers_total{batch_job="propagation"} 2.0' in text
        assert 'batch_job_triggers_total{batch_job="outcome-sync"} 0.0' in text
        assert 'batch_job_duration_seconds_count{job_name="propagation"} 1.0' in text
        assert 'batch_jobs_open{batch_job="propagation"} 1.0' in text
