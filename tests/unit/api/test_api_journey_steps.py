"""A journey as an execution: its phases are its steps, and it is retried at rest."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from api.executions.documents import document_of
from blocks.claims.steps import phase_steps, steps_of
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.records import DispatchPolicy, ExecutionRecord, TenantShare
from blocks.contracts.records.claims import PhaseRecord
from blocks.settings import load_settings
from blocks.tenants.running_limits import count_running, room
from deployments.cli.views.executions import print_execution
from tests.support.api.api_client import Api, an_api
from tests.support.api.journeys import a_phase
from tests.support.claims.records import a_journey
from tests.support.factories import A_TENANT, an_approval, an_execution, now

STARTED = now() - timedelta(minutes=1)


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with an_api(tmp_path) as api:
        yield api


def phases_of(journey: ExecutionRecord) -> list[PhaseRecord]:
    """Of the sync, 2 has failed after three attempts; of a claim, 5 is requested."""
    of_journey: dict[str, Any] = {"execution_id": journey.id}
    of_claim = a_phase(number=5, **of_journey)
    trigger = replace(of_claim.trigger, claim_id="c-1")
    return [
        replace(of_claim, trigger=trigger, claim_key="key"),
        a_phase(
            number=2,
            status="failed",
            attempts=3,
            started_at=STARTED,
            completed_at=STARTED + timedelta(seconds=2),
            announced_at=now(),
            error="detection is down",
            error_code="unavailable",
            **of_journey,
        ),
        a_phase(
            number=1,
            status="completed",
            attempts=1,
            started_at=STARTED,
            completed_at=STARTED + timedelta(seconds=1),
            announced_at=now(),
            result={"sync_id": "sync-1"},
            **of_journey,
        ),
    ]


async def test_a_journey_lists_its_phases_as_steps(api: Api) -> None:
    journey = a_journey()
    await api.holds(journey, *phases_of(journey))

    steps = (await api.get(f"/api/v1/executions/{journey.id}")).json()["steps"]

    assert [
        ("phase_1", "completed", 1, 1000, None, {"sync_id": "sync-1"}, None),
        ("phase_2", "failed", 3, 2000, None, None, "detection is down"),
        ("phase_5", "pending", 0, None, "c-1", None, None),
    ] == [
        (
            step["step"],
            step["status"],
            step["attempts"],
            step.get("durationMs"),
            step.get("claimId"),
            step.get("result"),
            step.get("error"),
        )
        for step in steps
    ]
    assert "unavailable" == steps[1]["errorCode"]


def test_a_phase_that_its_journey_did_not_wait_for_is_skipped() -> None:
    journey = a_journey(status="cancelled", completed_at=now())

    assert ["completed", "failed", "skipped"] == [
        step.status for step in steps_of(journey, phases_of(journey))
    ]


async def test_other_executions_have_no_phases(api: Api) -> None:
    assert [] == await phase_steps(api.store, an_execution())


def test_a_terminal_shows_the_phases_of_a_journey(capsys: pytest.CaptureFixture[str]) -> None:
    journey = a_journey()
    steps = steps_of(journey, phases_of(journey))

    shown = document_of(journey, [], load_settings({}).prefect, steps)
    print_execution(shown, as_json=False)
    page = capsys.readouterr().out
    print_execution(shown, as_json=True)
    document = json.loads(capsys.readouterr().out)

    [failed] = [line for line in page.splitlines() if line.startswith("phase_2")]
    assert ["phase_2", "failed", "3", "2.0", "s", "detection", "is", "down"] == failed.split()
    assert ["c-1"] == [step["claimId"] for step in document["steps"] if "claimId" in step]


# --- retried at rest ------------------------------------------------------------------------------


async def test_a_journey_at_rest_with_a_failed_phase_is_retried_once(api: Api) -> None:
    journey = a_journey(failed_step="phase_2")
    question = an_approval(execution_id=journey.id)
    await api.holds(journey, question, *phases_of(journey))

    answers = [await api.send("POST", f"/api/v1/executions/{journey.id}/retry") for _ in range(2)]

    assert [200, 409] == [answer.status_code for answer in answers]
    retried = answers[0].json()
    assert ("pending", 1) == (retried["status"], retried["retries"])
    assert [("waiting", "phase_2")] == [
        (end["status"], end["failedStep"]) for end in retried["earlierEnds"]
    ]
    still_asked = await api.store.read(question.tenant_id, type(question), question.id)
    assert "pending" == still_asked.record.status


async def test_a_journey_at_rest_without_a_failure_is_not_retried(api: Api) -> None:
    journey = a_journey()
    await api.holds(journey)

    answer = await api.send("POST", f"/api/v1/executions/{journey.id}/retry")

    assert (409, "EXECUTION_NOT_RETRYABLE") == (
        answer.status_code,
        answer.json()["error"]["code"],
    )
    assert "nothing of it has failed" in answer.json()["error"]["message"]


async def test_journeys_at_rest_are_listed_by_their_status(api: Api) -> None:
    at_rest = a_journey()
    await api.holds(at_rest, a_journey(status="running"))

    listed = (await api.get("/api/v1/executions", status="waiting")).json()["items"]

    assert [at_rest.id] == [one["id"] for one in listed]


async def test_a_journey_at_rest_takes_up_none_of_its_tenants_room(api: Api) -> None:
    await api.holds(a_journey(), a_journey(), a_journey(status="running"))
    policy = DispatchPolicy(
        id="policy",
        tenant_id=SYSTEM_TENANT,
        created_at=now(),
        tenants={A_TENANT: TenantShare(running_max=2)},
    )

    running = await count_running(api.store, policy, [A_TENANT])

    assert 1 == room(policy, running, A_TENANT)
