"""POST /api/v1/executions, …/retry, …/rerun and POST /api/v1/workflows/{id}/retry."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from msgspec.structs import replace

from blocks.contracts import ids
from blocks.contracts.records import ExecutionRecord, IdempotencyRecord, TenantRecord
from blocks.executions import transitions
from blocks.ports import RECORD_BYTES_MAX, Query
from tests.support.api.api_client import Api, an_api
from tests.support.factories import A_TENANT, ANOTHER_TENANT, a_step, an_execution, new_id, now

A_START = {"workflow": "opportunity-analysis", "subject": "o-1", "input": {"amount": 1_500_000}}


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with an_api(tmp_path) as api:
        yield api


async def post(
    api: Api, path: str, body: object = None, *, key: str | None = None, tenant_id: str = A_TENANT
) -> httpx.Response:
    headers = {"X-Tenant-ID": tenant_id} | ({"Idempotency-Key": key} if key else {})
    return await api.client.post(path, json=body, headers=headers)


def one_that_failed(**changes: Any) -> ExecutionRecord:
    ended = {"status": "failed", "error": "no model", "completed_at": now(), "announced_at": now()}
    return an_execution(**(ended | changes))


async def all_records(api: Api) -> list[ExecutionRecord]:
    return [
        stored.record for stored in (await api.store.query(A_TENANT, Query(ExecutionRecord))).items
    ]


# --- retry ----------------------------------------------------------------------------------------


async def test_older_clients_are_answered_as_they_know_it(api: Api) -> None:
    failed = one_that_failed()
    await api.holds(failed)

    response = await post(api, f"/api/v1/workflows/{failed.id}/retry")

    assert 200 == response.status_code
    assert {
        "workflowId": failed.id,
        "status": "running",
        "message": "Workflow retry initiated",
    } == response.json()


async def test_a_retried_execution_shows_its_earlier_end_and_the_steps_it_keeps(api: Api) -> None:
    failed = one_that_failed(failed_step="forecast")
    await api.holds(
        failed,
        a_step(execution_id=failed.id, step="risk_analysis"),
        a_step(
            execution_id=failed.id, step="forecast", status="failed", result=None, error="no model"
        ),
    )

    shown = (await post(api, f"/api/v1/executions/{failed.id}/retry")).json()

    assert ("pending", 1) == (shown["status"], shown["retries"])
    assert [("failed", "no model")] == [
        (end["status"], end["error"]) for end in shown["earlierEnds"]
    ]
    assert ["completed", "pending", "pending", "pending"] == [
        step["status"] for step in shown["steps"]
    ]


@pytest.mark.parametrize(
    ("path", "code"),
    [("executions", "EXECUTION_NOT_RETRYABLE"), ("workflows", "WORKFLOW_RETRY_FAILED")],
)
async def test_what_has_completed_is_not_retried(api: Api, path: str, code: str) -> None:
    completed = an_execution(status="completed", announced_at=now())
    await api.holds(completed)

    response = await post(api, f"/api/v1/{path}/{completed.id}/retry")

    assert (409, code) == (response.status_code, response.json()["error"]["code"])
    assert "it is completed" in response.json()["error"]["message"]


@pytest.mark.parametrize(
    "path", ["executions/{}/retry", "executions/{}/rerun", "workflows/{}/retry"]
)
@pytest.mark.parametrize("whose", ["another tenant's", "no tenant's", "nonsense"])
async def test_what_the_tenant_does_not_have_is_not_found(api: Api, path: str, whose: str) -> None:
    foreign = one_that_failed(tenant_id=ANOTHER_TENANT)
    await api.holds(foreign)
    id = {"another tenant's": foreign.id, "no tenant's": new_id(), "nonsense": "nonsense"}[whose]

    assert 404 == (await post(api, f"/api/v1/{path.format(id)}")).status_code
    assert (
        "failed"
        == (await api.store.read(ANOTHER_TENANT, ExecutionRecord, foreign.id)).record.status
    )


@pytest.mark.parametrize("key", [None, "once"])
async def test_a_retry_for_which_the_record_has_no_room_is_refused(
    api: Api, key: str | None
) -> None:
    failed = one_that_failed(input={"notes": ""})
    room = RECORD_BYTES_MAX - len(msgspec.json.encode(failed))
    await api.holds(replace(failed, input={"notes": "x" * room}))

    response = await post(api, f"/api/v1/executions/{failed.id}/retry", key=key)

    assert (413, "RECORD_TOO_LARGE") == (response.status_code, response.json()["error"]["code"])
    assert "failed" == (await api.get(f"/api/v1/executions/{failed.id}")).json()["status"]


async def test_a_retry_repeated_under_its_key_is_one_retry(api: Api) -> None:
    failed = one_that_failed()
    await api.holds(failed)

    first, second = [
        await post(api, f"/api/v1/workflows/{failed.id}/retry", key="again") for _ in range(2)
    ]

    assert (200, 200, first.json()) == (first.status_code, second.status_code, second.json())
    assert "true" == second.headers["Idempotency-Replayed"]


# --- rerun ----------------------------------------------------------------------------------------


async def test_a_rerun_is_a_new_execution_of_the_same_subject_and_input(api: Api) -> None:
    completed = an_execution(status="completed", input={"amount": 7}, announced_at=now())
    await api.holds(completed)

    response = await post(api, f"/api/v1/executions/{completed.id}/rerun")

    again = response.json()
    assert (201, f"/api/v1/executions/{again['id']}") == (
        response.status_code,
        response.headers["Location"],
    )
    assert (completed.id, "pending", completed.subject) == (
        again["rerunOf"],
        again["status"],
        again["subject"],
    )
    assert {"amount": 7} == (
        await api.store.read(A_TENANT, ExecutionRecord, again["id"])
    ).record.input
    assert (
        "completed" == (await api.store.read(A_TENANT, ExecutionRecord, completed.id)).record.status
    )


async def test_all_who_ask_for_a_rerun_at_once_get_the_same_one(api: Api) -> None:
    completed = an_execution(status="completed", announced_at=now())
    await api.holds(completed)

    answers = await asyncio.gather(
        *(post(api, f"/api/v1/executions/{completed.id}/rerun") for _ in range(50))
    )

    assert {201} == {answer.status_code for answer in answers}
    assert 1 == len({answer.json()["id"] for answer in answers})
    assert 2 == len(await all_records(api))


async def test_a_rerun_that_has_ended_can_be_followed_by_another(api: Api) -> None:
    completed = an_execution(status="completed", announced_at=now())
    await api.holds(completed)
    first = (await post(api, f"/api/v1/executions/{completed.id}/rerun")).json()["id"]
    stored = await api.store.read(A_TENANT, ExecutionRecord, first)
    await transitions.cancel(api.store, stored, "not now")

    second = (await post(api, f"/api/v1/executions/{completed.id}/rerun")).json()["id"]

    assert first != second


async def test_a_rerun_is_new_though_an_earlier_one_was_deleted(api: Api) -> None:
    completed = an_execution(status="completed", announced_at=now())
    await api.holds(completed)
    path = f"/api/v1/executions/{completed.id}/rerun"
    reruns = []
    for _ in range(2):
        reruns.append((await post(api, path)).json()["id"])
        stored = await api.store.read(A_TENANT, ExecutionRecord, reruns[-1])
        await transitions.cancel(api.store, stored, "not now")
    await api.store.delete(A_TENANT, ExecutionRecord, reruns[0])

    third = (await post(api, path)).json()

    assert "pending" == third["status"]
    assert third["id"] != reruns[1]


async def test_what_is_open_is_not_rerun(api: Api) -> None:
    running = an_execution(status="running")
    await api.holds(running)

    response = await post(api, f"/api/v1/executions/{running.id}/rerun")

    assert (409, "EXECUTION_NOT_RERUNNABLE") == (
        response.status_code,
        response.json()["error"]["code"],
    )


# --- start ----------------------------------------------------------------------------------------


async def test_a_started_execution_is_pending_and_its_tenant_is_known_to_every_sweep(
    api: Api,
) -> None:
    response = await post(api, "/api/v1/executions", A_START | {"priority": 4})

    started = response.json()
    assert (201, f"/api/v1/executions/{started['id']}") == (
        response.status_code,
        response.headers["Location"],
    )
    assert ("pending", "o-1", "opportunity-analysis") == (
        started["status"],
        started["subject"],
        started["workflow"],
    )
    record = (await api.store.read(A_TENANT, ExecutionRecord, started["id"])).record
    assert ({"amount": 1_500_000}, 4) == (record.input, record.priority)
    directory = await api.store.query(ids.SYSTEM_TENANT, Query(TenantRecord))
    assert [A_TENANT] == [stored.record.tenant for stored in directory.items]


async def test_without_a_key_every_request_starts_one(api: Api) -> None:
    first, second = [
        (await post(api, "/api/v1/executions", A_START)).json()["id"] for _ in range(2)
    ]

    assert first != second


async def test_under_one_key_fifty_requests_start_one(api: Api) -> None:
    answers = await asyncio.gather(
        *(post(api, "/api/v1/executions", A_START, key="k-1") for _ in range(50))
    )

    assert {201, 409} >= {answer.status_code for answer in answers}
    assert 1 == len(await all_records(api))


async def test_a_key_that_was_forgotten_still_names_the_same_execution(api: Api) -> None:
    first = await post(api, "/api/v1/executions", A_START, key="k-1")
    [kept] = (await api.store.query(A_TENANT, Query(IdempotencyRecord))).items
    await api.store.delete(A_TENANT, IdempotencyRecord, kept.record.id)

    again = await post(api, "/api/v1/executions", A_START, key="k-1")

    assert (201, first.json()["id"]) == (again.status_code, again.json()["id"])


async def test_a_forgotten_key_does_not_stand_for_another_request(api: Api) -> None:
    await post(api, "/api/v1/executions", A_START, key="k-1")
    [kept] = (await api.store.query(A_TENANT, Query(IdempotencyRecord))).items
    await api.store.delete(A_TENANT, IdempotencyRecord, kept.record.id)

    other = await post(api, "/api/v1/executions", A_START | {"subject": "o-2"}, key="k-1")

    assert (422, "IDEMPOTENCY_MISMATCH") == (other.status_code, other.json()["error"]["code"])


async def test_the_same_key_of_another_tenant_is_another_request(api: Api) -> None:
    ours = await post(api, "/api/v1/executions", A_START, key="k-1")
    theirs = await post(api, "/api/v1/executions", A_START, key="k-1", tenant_id=ANOTHER_TENANT)

    assert ours.json()["id"] != theirs.json()["id"]


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        ({"workflow": "claim-magic"}, "workflow", "there is: opportunity-analysis"),
        ({"workflow": "batch-job"}, "workflow", "POST /api/v1/jobs/{job}/trigger"),
        ({"subject": ""}, "subject", "length >= 1"),
        ({"subject": "  "}, "subject", "regex"),
        ({"subject": None}, "subject", "str"),
        ({"input": [1]}, "input", "object"),
        ({"priority": 10}, "priority", "<= 9"),
        ({"status": "completed"}, "status", "unknown field"),
    ],
)
async def test_a_wrong_request_is_refused_and_says_where(
    api: Api, change: dict[str, Any], field: str, message: str
) -> None:
    response = await post(api, "/api/v1/executions", A_START | change)

    assert (400, "VALIDATION_ERROR") == (response.status_code, response.json()["error"]["code"])
    [problem] = response.json()["error"]["details"]
    assert field == problem["field"]
    assert message in problem["message"]
    assert [] == await all_records(api)


# --- in whose name --------------------------------------------------------------------------------


async def test_an_execution_knows_who_started_it_and_who_reran_it(api: Api) -> None:
    await api.holds(failed := one_that_failed())
    named = {"X-Tenant-ID": A_TENANT, "X-User-ID": "ann"}

    started = await api.client.post("/api/v1/executions", json=A_START, headers=named)
    rerun = await api.client.post(f"/api/v1/executions/{failed.id}/rerun", headers=named)

    for answer in (started, rerun):
        record = (await api.store.read(A_TENANT, ExecutionRecord, answer.json()["id"])).record
        assert ["ann"] == [trigger.actor for trigger in record.triggers]
