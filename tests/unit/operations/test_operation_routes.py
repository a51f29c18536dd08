"""The routes of operations: what their callers send and read, and who may not."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.operations import OPERATIONS
from blocks.contracts.operations.platform_events import read_platform_event
from blocks.contracts.records import ExecutionRecord
from blocks.executions import transitions
from blocks.executions.steps import record_step
from blocks.operations.events.taking import take
from blocks.ports import Query
from blocks.services import open_bus
from blocks.settings import load_settings
from blocks.topology import intake_queue
from tests.support.api.api_client import Api, an_api
from tests.support.api.credentials import a_token, as_user
from tests.support.factories import A_TENANT, now

TRIGGER = "/api/workflows/log-rotation/trigger"


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    settings = load_settings({"ORCHESTRATOR_DATA_DIR": str(tmp_path)})
    async with (
        open_bus(settings, "test") as bus,
        # so that its schedule is active
        an_api(tmp_path, LOG_ROTATION_PATHS="/var/log/shop/*.log") as api,
    ):
        await bus.declare(intake_queue(settings))
        yield api


async def ask(api: Api, method: str, path: str, body: object = None, status: int = 200) -> Any:
    answer = await api.send(method, path, body, SYSTEM_TENANT)
    assert status == answer.status_code, answer.text
    return answer.json()


async def executions(api: Api) -> list[ExecutionRecord]:
    page = await api.store.query(SYSTEM_TENANT, Query(ExecutionRecord))
    return [stored.record for stored in page.items]


async def ended(api: Api, run: dict[str, Any], **end: Any) -> None:
    """The run was carried out: its first step is done; with an error, the second failed."""
    stored = await api.store.read(SYSTEM_TENANT, ExecutionRecord, run["executionId"])
    stored = await transitions.move(api.store, stored, "running", started_at=now())
    await record_step(api.store, stored.record, "rotate-logs", result={"logsRotated": 2})
    if "error" in end:
        await record_step(api.store, stored.record, "compress-old", error=end["error"])
        await transitions.fail(
            api.store, stored, "step-failed", end["error"], failed_step="compress-old"
        )
    else:
        await transitions.complete(api.store, stored)


# --- as the platform knows them -------------------------------------------------------------------


async def test_operations_are_listed_with_schedules_triggers_and_steps(api: Api) -> None:
    listed = await ask(api, "GET", "/api/workflows")

    assert [one.id for one in OPERATIONS] == [one["id"] for one in listed["workflows"]]
    rotation = next(one for one in listed["workflows"] if one["id"] == "log-rotation")
    assert ("Log Rotation & Cleanup", "0 0 * * *", [], 3) == (
        rotation["name"],
        rotation["schedule"],
        rotation["triggers"],
        len(rotation["steps"]),
    )
    assert "log-rotation" in [one["workflowId"] for one in listed["schedules"]]
    assert (True, None) == (rotation["isScheduled"], rotation.get("inactive"))
    backup = next(one for one in listed["workflows"] if one["id"] == "database-backup")
    assert (False, "nothing is configured for it: set DATABASE_URL or BACKUP_DATABASES") == (
        backup["isScheduled"],
        backup["inactive"],
    )
    health = await ask(api, "GET", "/api/health")
    assert ("healthy", len(OPERATIONS)) == (health["status"], len(health["workflows"]))


@pytest.mark.parametrize("path", [TRIGGER, "/api/trigger/log-rotation"])
@pytest.mark.parametrize(
    ("body", "given"),
    [
        ({"inputData": {"why": "full"}}, {"why": "full"}),
        ({"why": "full"}, {"why": "full"}),
        ({"inputData": {"a": 1}, "b": 2}, {"inputData": {"a": 1}, "b": 2}),
        (None, {}),
    ],
)
async def test_a_trigger_starts_a_run_with_its_input_in_either_spelling(
    api: Api, path: str, body: object, given: object
) -> None:
    answer = await ask(api, "POST", path, body)

    run = answer["result"]
    assert (True, "log-rotation", "running", "rotate-logs", {}) == (
        answer["success"],
        run["workflowId"],
        run["status"],
        run["currentStep"],
        run["stepResults"],
    )
    [execution] = await executions(api)
    assert (run["executionId"], given) == (execution.id, execution.input)


async def test_a_request_under_one_key_starts_one_run(api: Api) -> None:
    headers = {"X-Tenant-ID": SYSTEM_TENANT, "Idempotency-Key": "k1"}
    answers = [await api.client.post(TRIGGER, json={"a": 1}, headers=headers) for _ in range(2)]

    assert answers[0].json() == answers[1].json()
    assert 1 == len(await executions(api))


async def test_a_run_shows_its_steps_and_its_end(api: Api) -> None:
    done = (await ask(api, "POST", TRIGGER))["result"]
    await ended(api, done)
    failed = (await ask(api, "POST", TRIGGER))["result"]
    await ended(api, failed, error="the disk is full")

    state = await ask(api, "GET", "/api/workflows/log-rotation/status")
    assert (3, True) == (state["workflow"]["stepsCount"], state["isScheduled"])
    assert [done["runId"], failed["runId"]] == [run["runId"] for run in state["recentRuns"]]
    first, second = state["recentRuns"]
    assert ("completed", {"rotate-logs": {"logsRotated": 2}}) == (
        first["status"],
        first["stepResults"],
    )
    assert ("failed", "compress-old", "the disk is full") == (
        second["status"],
        second["currentStep"],
        second["error"],
    )
    for id in (failed["runId"], failed["executionId"]):
        assert second == await ask(api, "GET", f"/api/runs/{id}")
    assert state["recentRuns"] == (await ask(api, "GET", "/api/history"))["history"]
    figures = (await ask(api, "GET", "/api/stats"))["stats"]["log-rotation"]
    assert (2, 1, 1, "failed") == (
        figures["totalRuns"],
        figures["successfulRuns"],
        figures["failedRuns"],
        figures["lastStatus"],
    )
    metrics = (await api.get("/api/metrics", SYSTEM_TENANT)).text
    assert 'workflow_runs_total{workflow="log-rotation",status="failed"} 1' in metrics
    assert f"workflows_registered_total {len(OPERATIONS)}" in metrics


async def test_a_run_is_cancelled_and_retried(api: Api) -> None:
    run = (await ask(api, "POST", TRIGGER))["result"]

    cancelled = await ask(api, "POST", f"/api/runs/{run['runId']}/cancel")
    await ask(api, "POST", f"/api/runs/{run['runId']}/cancel", status=409)
    retried = await ask(api, "POST", f"/api/runs/{run['runId']}/retry")

    assert ("failed", "cancelled") == (cancelled["status"], cancelled["executionStatus"])
    assert (run["runId"], "pending") == (retried["runId"], retried["executionStatus"])


async def test_a_posted_event_goes_to_the_listener_and_the_log_is_paged(
    api: Api, tmp_path: Path
) -> None:
    body = {"eventType": "cms.content.updated", "payload": {"serviceId": 123}}
    posted = await ask(api, "POST", "/api/events", body)
    named = await ask(api, "POST", "/api/events", {**body, "id": "evt_1_mine"})

    assert ("cms.content.updated", "evt_1_mine") == (posted["eventType"], named["id"])
    settings = load_settings({"ORCHESTRATOR_DATA_DIR": str(tmp_path)})
    async with open_bus(settings, "test") as bus:
        for message in await bus.peek(intake_queue(settings).name):
            event = read_platform_event(message.body, received_at=now())
            await take(api.store, bus, {}, event)

    page = await ask(api, "GET", "/api/events?limit=1")
    rest = await ask(api, "GET", f"/api/events?limit=1&continuation={page['continuation']}")
    assert ["evt_1_mine", posted["id"]] == [one["events"][0]["id"] for one in (page, rest)]
    assert {"serviceId": 123} == page["events"][0]["payload"]
    assert [] == (await ask(api, "GET", "/api/events?type=order.placed"))["events"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "error"),
    [
        ("POST", "/api/workflows/nope/trigger", {}, 404, "Workflow not found: nope"),
        ("POST", "/api/trigger/nope", {}, 404, "Workflow not found: nope"),
        ("GET", "/api/workflows/nope/status", None, 404, "Workflow not found: nope"),
        ("GET", "/api/runs/run_1_x", None, 404, "Run not found"),
        ("POST", "/api/runs/nope/cancel", None, 404, "Run not found"),
        ("POST", TRIGGER, [1], 400, "The body must be an object"),
        ("POST", "/api/events", {"payload": {}}, 400, "eventType"),
        ("POST", "/api/events", {"eventType": "shard.updated"}, 400, "own"),
        ("POST", "/api/events", {"eventType": "no type"}, 400, "words of letters"),
        ("GET", "/api/events?limit=0", None, 400, "limit"),
        ("GET", "/api/nope", None, 404, ""),
    ],
)
async def test_what_cannot_be_is_answered_in_the_form_that_callers_read(
    api: Api, method: str, path: str, body: object, status: int, error: str
) -> None:
    answer = await ask(api, method, path, body, status=status)

    assert error in str(answer["error"])
    assert [] == await executions(api)


# --- who may --------------------------------------------------------------------------------------


async def test_operations_are_for_operators_of_the_platform_alone(api: Api) -> None:
    viewer = as_user(a_token("viewer", tenant_id=SYSTEM_TENANT), SYSTEM_TENANT)
    operator = as_user(a_token("operator", tenant_id=SYSTEM_TENANT), SYSTEM_TENANT)

    assert 403 == (await api.send("POST", TRIGGER, {}, A_TENANT)).status_code
    assert 403 == (await api.client.post(TRIGGER, headers=viewer)).status_code
    assert 200 == (await api.client.post(TRIGGER, headers=operator)).status_code
    assert (
        400
        == (
            await api.send(
                "POST", "/api/v1/executions", {"workflow": "log-rotation", "subject": "x"}
            )
        ).status_code
    )


async def test_a_tenants_usage_shows_no_operations(api: Api) -> None:
    of_tenant = (await api.get("/api/v1/usage")).json()
    of_platform = (await api.get("/api/v1/usage", SYSTEM_TENANT)).json()

    assert "log-rotation" not in of_tenant["accepted"]
    assert "log-rotation" in of_platform["accepted"]
