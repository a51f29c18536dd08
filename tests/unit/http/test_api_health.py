"""GET /health and GET /ready, and how the API knows that another process lives."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from api.health.liveness import expect_process
from blocks.contracts.records import ProcessRecord
from blocks.ports import RecordStore, Unavailable
from blocks.processes import readiness
from tests.support.api.api_client import an_api
from tests.support.factories import a_process, now


async def works() -> None:
    pass


async def is_down() -> None:
    raise Unavailable("the broker does not answer")


async def hangs() -> None:
    await asyncio.Event().wait()


async def is_broken() -> None:
    raise KeyError("a bug in the check")


async def test_a_process_that_answers_is_healthy(tmp_path: Path) -> None:
    async with an_api(tmp_path) as api:
        response = await api.client.get("/health")

    assert 200 == response.status_code
    assert {
        "status": "healthy",
        "service": "workflow-orchestrator",
    }.items() <= response.json().items()
    assert {"status", "service", "timestamp"} == response.json().keys()


async def test_the_service_is_ready_when_every_part_works(tmp_path: Path) -> None:
    async with an_api(tmp_path, probes={"database": works, "broker": works}) as api:
        response = await api.client.get("/ready")

    assert (200, "ready") == (response.status_code, response.json()["status"])
    assert {"database": {"status": "ok"}, "broker": {"status": "ok"}} == response.json()["checks"]


async def test_the_part_that_does_not_work_is_named(tmp_path: Path) -> None:
    async with an_api(tmp_path, probes={"database": works, "broker": is_down}) as api:
        response = await api.client.get("/ready")

    assert (503, "not_ready") == (response.status_code, response.json()["status"])
    assert {
        "database": {"status": "ok"},
        "broker": {"status": "error", "detail": "the broker does not answer"},
    } == response.json()["checks"]


async def test_the_parts_are_asked_at_the_same_time(tmp_path: Path) -> None:
    all_asked = asyncio.Barrier(3)

    async def works_once_all_are_asked() -> None:
        await all_asked.wait()

    async with an_api(
        tmp_path, probes=dict.fromkeys(("database", "broker", "prefect"), works_once_all_are_asked)
    ) as api:
        response = await api.client.get("/ready")

    assert 200 == response.status_code


async def test_a_part_that_hangs_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "PROBE_SECONDS", 0.1)
    async with an_api(tmp_path, probes={"prefect": hangs, "database": works}) as api:
        response = await api.client.get("/ready")

    assert {
        "prefect": {"status": "error", "detail": "no answer in 0.1 s"},
        "database": {"status": "ok"},
    } == response.json()["checks"]


async def test_a_check_that_fails_itself_reports_that_and_no_more(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with an_api(tmp_path, probes={"database": is_broken}) as api:
        response = await api.client.get("/ready")

    assert {"status": "error", "detail": "the check itself failed"} == response.json()["checks"][
        "database"
    ]
    assert "a bug in the check" in caplog.text


async def test_a_process_with_a_fresh_heartbeat_is_there(store: RecordStore) -> None:
    dead, alive = a_process(beat_at=now() - timedelta(hours=1)), a_process()
    await keep(store, dead, alive)

    await expect_process(store, "worker", 6)


async def test_a_process_of_another_role_is_not_the_one_expected(store: RecordStore) -> None:
    await keep(store, a_process(role="listener"))

    with pytest.raises(Unavailable, match="no worker has ever sent a heartbeat"):
        await expect_process(store, "worker", 6)


async def test_a_process_that_has_fallen_silent_is_lost(store: RecordStore) -> None:
    await keep(
        store,
        a_process(beat_at=now() - timedelta(seconds=90)),
        a_process(beat_at=now() - timedelta(hours=1)),
    )

    with pytest.raises(Unavailable, match="the last heartbeat of a worker is 90 s old"):
        await expect_process(store, "worker", 6)


async def test_a_process_that_says_it_is_not_ready_does_not_count(store: RecordStore) -> None:
    await keep(store, a_process(ready=False), a_process(beat_at=now() - timedelta(hours=1)))

    with pytest.raises(Unavailable, match="a worker is alive, but not ready"):
        await expect_process(store, "worker", 6)


async def keep(store: RecordStore, *processes: ProcessRecord) -> None:
    for process in processes:
        await store.create(process.tenant_id, process)
