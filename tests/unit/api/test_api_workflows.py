"""GET /api/v1/workflows, /api/v1/workflows/{id} and /api/v1/hitl/approvals/{id}: the forms that
older clients know.
"""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from blocks.contracts import ids
from tests.support.api.api_client import Api, an_api
from tests.support.factories import A_TENANT, a_step, an_approval, an_execution, now


@pytest.fixture(scope="module")
async def api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    async with an_api(tmp_path_factory.mktemp("api")) as api:
        yield api


async def test_a_workflow_has_the_documented_fields(api: Api) -> None:
    moment = now()
    execution = an_execution(
        status="completed",
        results={"risk": {}},
        started_at=moment,
        completed_at=moment,
        updated_at=moment,
    )
    await api.holds(execution)

    workflow = (await api.get(f"/api/v1/workflows/{execution.id}")).json()

    assert {"workflowId", "tenantId", "opportunityId", "status", "steps", "results"} | {
        f"{what}At" for what in ("started", "completed", "created", "updated")
    } == workflow.keys()
    assert (execution.id, A_TENANT, execution.subject) == tuple(
        workflow[key] for key in ("workflowId", "tenantId", "opportunityId")
    )


async def test_a_workflows_step_has_the_documented_fields(api: Api) -> None:
    execution = an_execution(status="running", started_at=now())
    await api.holds(
        execution,
        a_step(execution_id=execution.id, step="risk_analysis", step_id=step_id(execution.id)),
    )

    step = (await api.get(f"/api/v1/workflows/{execution.id}")).json()["steps"][0]

    assert {
        "stepId",
        "workflowId",
        "stepType",
        "status",
        "result",
        "startedAt",
        "completedAt",
    } == step.keys()
    assert (step_id(execution.id), execution.id, "risk_analysis", "completed") == (
        step["stepId"],
        step["workflowId"],
        step["stepType"],
        step["status"],
    )


async def test_a_workflow_that_waits_for_a_person_is_running(api: Api) -> None:
    execution = an_execution(status="awaiting_approval")
    await api.holds(execution)

    assert "running" == (await api.get(f"/api/v1/workflows/{execution.id}")).json()["status"]


async def test_a_step_the_workflow_did_not_wait_for_has_failed(api: Api) -> None:
    execution = an_execution(status="failed")
    await api.holds(execution)

    step = (await api.get(f"/api/v1/workflows/{execution.id}")).json()["steps"][0]

    assert ("failed", "The workflow ended before this step did") == (step["status"], step["error"])


async def test_a_workflow_that_has_not_started_says_when_it_was_accepted(api: Api) -> None:
    execution = an_execution()
    await api.holds(execution)

    workflow = (await api.get(f"/api/v1/workflows/{execution.id}")).json()

    assert workflow["createdAt"] == workflow["startedAt"]


async def test_the_workflows_of_an_opportunity_are_listed_newest_first(api: Api) -> None:
    older = an_execution(subject="opportunity-1", status="completed")
    newer = an_execution(
        subject="opportunity-1", status="completed", created_at=now() + timedelta(seconds=1)
    )
    await api.holds(
        older, newer, an_execution(subject="opportunity-2"), a_step(execution_id=older.id)
    )

    listed = (await api.get("/api/v1/workflows", opportunityId="opportunity-1")).json()

    assert (2, [newer.id, older.id]) == (
        listed["total"],
        [workflow["workflowId"] for workflow in listed["workflows"]],
    )
    assert ["failed", "completed"] == [
        workflow["steps"][0]["status"] for workflow in listed["workflows"]
    ]


async def test_an_opportunity_without_an_analysis_has_no_workflows(api: Api) -> None:
    assert {"workflows": [], "total": 0} == (
        await api.get("/api/v1/workflows", opportunityId="unknown")
    ).json()


async def test_the_list_of_workflows_needs_an_opportunity(api: Api) -> None:
    response = await api.get("/api/v1/workflows")

    assert 400 == response.status_code
    assert {
        "error": {
            "code": "VALIDATION_ERROR",
            "message": "Invalid request",
            "details": [{"message": "Missing required query parameter 'opportunityId'"}],
        }
    } == response.json()


async def test_an_execution_that_is_no_analysis_is_no_workflow(api: Api) -> None:
    execution = an_execution(workflow="claim-recovery")
    await api.holds(execution)

    response = await api.get(f"/api/v1/workflows/{execution.id}")

    assert (404, "WORKFLOW_NOT_FOUND") == (response.status_code, response.json()["error"]["code"])


async def test_an_approval_has_the_documented_fields(api: Api) -> None:
    approval = an_approval(
        status="approved", decided_by="u-1", decided_at=now(), comment="fine", owner_id="u-2"
    )
    await api.holds(approval)

    found = (await api.get(f"/api/v1/hitl/approvals/{approval.id}")).json()

    assert {
        "id": approval.id,
        "tenantId": A_TENANT,
        "opportunityId": approval.opportunity_id,
        "riskScore": 0.9,
        "amount": 2_000_000.0,
        "status": "approved",
        "executionId": approval.execution_id,
        "ownerId": "u-2",
        "decidedBy": "u-1",
        "comment": "fine",
    }.items() <= found.items()


def step_id(execution_id: str) -> str:
    return ids.step_id(execution_id, "risk_analysis")
