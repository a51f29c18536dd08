"""What the doctor finds about journeys: at rest, with a failed phase, or past a phase's limit."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.records import ExecutionRecord
from blocks.contracts.records.claims import PhaseRecord
from blocks.services import open_store
from blocks.settings import load_settings
from deployments.doctor.checks.journeys import journeys
from deployments.doctor.connections import Connections
from tests.support.api.journeys import a_phase
from tests.support.claims.records import a_journey
from tests.support.factories import A_TENANT, a_tenant_record, an_execution, now

HOUR = timedelta(hours=1)


@pytest.fixture
async def connections(tmp_path: Path) -> AsyncIterator[Connections]:
    settings = load_settings({"ORCHESTRATOR_DATA_DIR": str(tmp_path)})
    async with open_store(settings) as store:
        await store.create(SYSTEM_TENANT, a_tenant_record(tenant=A_TENANT))
        yield Connections(settings, store, None)


async def given(connections: Connections, **changes: Any) -> ExecutionRecord:
    assert connections.store
    return (await connections.store.create(A_TENANT, a_journey(**changes))).record


async def given_phase(
    connections: Connections, journey: ExecutionRecord, **changes: Any
) -> PhaseRecord:
    assert connections.store
    phase = a_phase(**{"execution_id": journey.id, **changes})
    return (await connections.store.create(A_TENANT, phase)).record


async def found(connections: Connections) -> list[tuple[str, str]]:
    return [(one.state, one.found) for one in await journeys(connections)]


async def test_journeys_that_wait_for_a_word_from_outside_are_no_trouble(
    connections: Connections,
) -> None:
    for _ in range(2):
        await given_phase(connections, await given(connections), status="completed")
    assert connections.store
    await connections.store.create(A_TENANT, an_execution(status="awaiting_approval"))

    assert [
        ("ok", "at rest: 2, none with a failed phase"),
        ("ok", "phases past their limit: none"),
    ] == await found(connections)


async def test_a_journey_at_rest_with_a_failed_phase_is_named_with_what_to_do(
    connections: Connections,
) -> None:
    await given(connections)
    journey = await given(connections, failed_step="phase_3")
    await given_phase(
        connections,
        journey,
        number=3,
        status="failed",
        completed_at=now() - 2 * HOUR,
        announced_at=now(),
        error="the matching service is down",
    )

    at_rest, _ = await journeys(connections)

    assert "warning" == at_rest.state
    assert at_rest.found == (
        "at rest: 2, 1 of them with a failed phase, the oldest for 2 h: phase_3 of journey "
        f"{journey.id} of tenant {A_TENANT}: the matching service is down"
    )
    assert "executions retry" in at_rest.todo


@pytest.mark.parametrize(
    ("phase", "is_late"),
    [
        ({"status": "running", "started_at": now() - HOUR}, True),
        ({"status": "requested", "requested_at": now() - HOUR}, True),
        ({"status": "running", "started_at": now() + HOUR}, False),
        ({"status": "completed", "started_at": now() - HOUR}, False),
    ],
    ids=["runs", "is-not-begun", "has-begun", "is-done"],
)
async def test_a_phase_under_way_past_its_limit_is_named(
    connections: Connections, phase: dict[str, Any], is_late: bool
) -> None:
    journey = await given(connections, status="running")
    await given_phase(connections, journey, number=2, **phase)

    _, (state, line) = await found(connections)

    assert ("warning" if is_late else "ok") == state
    assert is_late is (f"phase_2 of journey {journey.id}" in line)
