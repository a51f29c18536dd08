"""`/api/v1/workflows` and the documents that the older orchestrator left."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from blocks.contracts.records import ExecutionRecord, StepRecord
from blocks.executions.steps import by_step, step_records
from tests.support.api.api_client import Api, an_api
from tests.support.factories import A_TENANT, ANOTHER_TENANT, an_execution
from tests.support.older_service import (
    STEPS,
    Document,
    left_behind,
    older_step,
    older_workflow,
)

LIST = "/api/v1/workflows"


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with an_api(tmp_path) as api:
        yield api


async def left(api: Api, **changes: Any) -> Document:
    document = older_workflow(**changes)
    await left_behind(api.store, "workflow_workflows", document)
    return document


ODD: tuple[dict[str, Any], ...] = (
    {},
    {"status": "in_progress", "steps": None, "results": None, "completedAt": None},
    {"status": 7, "steps": "none", "results": [1], "createdAt": "yesterday", "extra": {"a": [1]}},
    {"createdAt": None, "startedAt": 5, "updatedAt": {}, "workflowId": None},
)


@pytest.mark.parametrize("changes", ODD)
async def test_a_document_is_answered_as_it_was_stored(api: Api, changes: dict[str, Any]) -> None:
    document = await left(api, **changes)

    one = await api.get(f"{LIST}/{document['id']}")
    listed = await api.get(LIST, opportunityId=document["opportunityId"])

    assert (200, document) == (one.status_code, one.json())
    assert {"workflows": [document], "total": 1} == listed.json()


@pytest.mark.parametrize("opportunity", [None, 7, ["x"]])
async def test_a_document_about_nothing_is_no_error(api: Api, opportunity: Any) -> None:
    document = await left(api, opportunityId=opportunity)

    assert 200 == (await api.get(f"{LIST}/{document['id']}")).status_code
    assert 200 == (await api.get(LIST, opportunityId="x")).status_code


async def test_another_tenant_does_not_find_it(api: Api) -> None:
    document = await left(api)

    assert 404 == (await api.get(f"{LIST}/{document['id']}", ANOTHER_TENANT)).status_code


async def test_ours_and_theirs_are_one_list_newest_first(api: Api) -> None:
    theirs = [await left(api, createdAt=f"2026-03-0{day}T00:00:00.000Z") for day in (2, 1)]
    await api.holds(ours := an_execution(subject="0063X00000A1b2C", status="completed"))

    listed = (await api.get(LIST, opportunityId="0063X00000A1b2C")).json()

    assert [ours.id, theirs[0]["id"], theirs[1]["id"]] == [
        one["workflowId"] for one in listed["workflows"]
    ]


@pytest.mark.parametrize("status", ["failed", "cancelled", "running", "pending", "in_progress"])
async def test_a_retry_goes_on_under_its_id_and_keeps_what_succeeded(api: Api, status: str) -> None:
    document = older_workflow(status=status, results=None, completedAt=None)
    document["steps"] = [
        older_step(document["id"], "risk_analysis"),
        older_step(document["id"], "forecast", status="failed", result=None, error="no data"),
        older_step(document["id"], "risk_scoring", result="odd"),
    ]
    await left_behind(api.store, "workflow_workflows", document)

    answer = await api.send("POST", f"{LIST}/{document['id']}/retry")

    assert (200, document["id"]) == (answer.status_code, answer.json()["workflowId"])
    execution = (await api.store.read(A_TENANT, ExecutionRecord, document["id"])).record
    assert ("pending", 1) == (execution.status, execution.retries)
    steps = by_step(execution, await step_records(api.store, A_TENANT, [execution.id]))
    assert ["risk_analysis"] == list(steps)
    assert document["steps"][0]["stepId"] == steps["risk_analysis"].step_id
    shown = (await api.get(f"{LIST}/{document['id']}")).json()
    assert ("pending", 4) == (shown["status"], len(shown["steps"]))
    listed = (await api.get(LIST, opportunityId=document["opportunityId"])).json()
    assert ["pending"] == [one["status"] for one in listed["workflows"]]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({}, "it is completed"),
        ({"status": "odd"}, "it is odd"),
        ({"status": None}, "it is in no status"),
        ({"status": "failed", "opportunityId": None}, "it names no opportunity"),
    ],
)
async def test_what_cannot_be_retried_is_refused_with_the_reason(
    api: Api, changes: dict[str, Any], why: str
) -> None:
    document = await left(api, **changes)

    answer = await api.send("POST", f"{LIST}/{document['id']}/retry")

    error = answer.json()["error"]
    assert (409, "WORKFLOW_RETRY_FAILED") == (answer.status_code, error["code"])
    assert why in error["message"]
    assert document == (await api.get(f"{LIST}/{document['id']}")).json()


async def test_every_step_of_the_older_service_has_a_record(api: Api) -> None:
    document = await left(api, status="failed")

    await api.send("POST", f"{LIST}/{document['id']}/retry")

    records: list[StepRecord] = await step_records(api.store, A_TENANT, [document["id"]])
    assert set(STEPS) == {record.step for record in records}
