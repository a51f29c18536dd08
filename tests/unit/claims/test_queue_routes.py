"""GET /api/v1/workflow/health, /queue/stats, POST /queue/clean."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from api.claims.queue_routes import CONNECTED_CLIENTS
from blocks.claims import queue
from blocks.contracts.records.claims import PhaseRecord
from blocks.ports import Query
from tests.support.api.api_client import Api, an_api
from tests.support.api.journeys import a_journey, a_phase
from tests.support.factories import A_TENANT, ANOTHER_TENANT, now

STATS = "/api/v1/workflow/queue/stats"
CLEAN = "/api/v1/workflow/queue/clean"


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with an_api(tmp_path) as api:
        yield api


def ended(status: str, *, hours_ago: float = 1, seconds: float = 2) -> PhaseRecord:
    at = now() - timedelta(hours=hours_ago)
    return a_phase(
        status=status,
        created_at=at - timedelta(seconds=seconds),
        started_at=at - timedelta(seconds=seconds),
        completed_at=at,
        announced_at=at,
    )


async def stats(api: Api, tenant_id: str = A_TENANT) -> dict[str, Any]:
    answer = (await api.get(STATS, tenant_id)).json()
    assert answer["success"] is True
    return dict(answer["stats"])


async def clean(api: Api, query: str = "", tenant_id: str = A_TENANT) -> Any:
    return (await api.send("POST", f"{CLEAN}{query}", tenant_id=tenant_id)).json()


async def test_the_health_of_the_routes_is_the_documented_body(api: Api) -> None:
    expected = {
        "status": "ok",
        "service": "workflow-routes",
        "message": "Workflow routes are active",
    }
    assert expected == (await api.get("/api/v1/workflow/health")).json()


async def test_without_work_all_figures_are_zero(api: Api) -> None:
    nothing = {"waiting": 0, "active": 0, "completed": 0, "failed": 0, "delayed": 0}

    assert {
        "orchestration": nothing,
        "syncProgress": nothing,
        "connectedClients": 0,
        "metrics": {"recentJobCount": 0, "averageJobDuration": 0, "successRate": "N/A"},
    } == await stats(api)


async def test_the_figures_count_the_phases_and_journeys_of_the_tenant(api: Api) -> None:
    await api.holds(
        a_phase(),
        a_phase(status="running"),
        *(ended("completed", seconds=seconds) for seconds in (1, 3)),
        ended("failed", seconds=60),
        ended("completed", hours_ago=2, seconds=2),
    )
    await a_journey(api.store, status="waiting")
    api.app.state[CONNECTED_CLIENTS] = lambda: 4

    found = await stats(api)

    assert {"waiting": 2, "active": 1, "completed": 3, "failed": 1, "delayed": 0} == found[
        "orchestration"
    ]
    assert (1, 0) == (found["syncProgress"]["delayed"], found["syncProgress"]["waiting"])
    assert 4 == found["connectedClients"]
    assert {
        "recentJobCount": 4,
        "averageJobDuration": 2000,
        "successRate": "75.00%",
    } == found["metrics"]
    assert 0 == (await stats(api, ANOTHER_TENANT))["orchestration"]["waiting"]


async def test_only_the_newest_eleven_are_looked_at(api: Api) -> None:
    await api.holds(*(ended("completed") for _ in range(14)))

    assert 11 == (await stats(api))["metrics"]["recentJobCount"]


async def test_cleaned_phases_leave_the_figures_and_stay_on_record(api: Api) -> None:
    await api.holds(ended("failed"), ended("failed"), ended("completed"), a_phase())

    assert {
        "success": True,
        "message": "Cleaned 2 old jobs",
        "result": {"orchestration": 2, "syncProgress": 0},
    } == await clean(api)

    orchestration = (await stats(api))["orchestration"]
    assert (1, 1, 0) == tuple(orchestration[name] for name in ("waiting", "completed", "failed"))
    assert 4 == await api.store.count(A_TENANT, PhaseRecord)
    assert "Cleaned 0 old jobs" == (await clean(api))["message"]


async def test_what_ended_within_the_grace_period_stays(api: Api) -> None:
    await api.holds(ended("completed", hours_ago=3), ended("completed", hours_ago=1))
    late = ended("completed", hours_ago=1, seconds=10_000)  # begun long ago, ended lately
    await api.holds(late)

    answer = await clean(api, "?grace=7200000&status=completed")

    assert 1 == answer["result"]["orchestration"]


@pytest.mark.parametrize("status", ["active", "delayed", "wait"])
async def test_work_that_has_not_ended_cannot_be_cleaned(api: Api, status: str) -> None:
    await api.holds(a_phase(), a_phase(status="running"))

    assert {"orchestration": 0, "syncProgress": 0} == (await clean(api, f"?status={status}"))[
        "result"
    ]
    assert 2 == sum((await stats(api))["orchestration"].values())


async def test_one_call_cleans_a_bounded_number(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "CLEANED_MAX", 2)
    await api.holds(*(ended("failed") for _ in range(3)))

    assert [2, 1, 0] == [(await clean(api))["result"]["orchestration"] for _ in range(3)]


async def test_another_tenants_phases_are_not_cleaned(api: Api) -> None:
    await api.holds(ended("failed"))

    assert 0 == (await clean(api, tenant_id=ANOTHER_TENANT))["result"]["orchestration"]
    page = await api.store.query(A_TENANT, Query(PhaseRecord))
    assert [None] == [one.record.cleaned_at for one in page.items]


@pytest.mark.parametrize("query", ["grace=-1", "grace=soon", "grace=1e99", "status=paused"])
async def test_a_bad_parameter_is_a_400_that_names_it(api: Api, query: str) -> None:
    answer = await api.send("POST", f"{CLEAN}?{query}")

    assert 400 == answer.status_code
    assert answer.json()["error"].startswith(f"{query.partition('=')[0]}: ")
