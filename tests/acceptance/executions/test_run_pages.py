"""What an operator finds in Prefect about a run: its name, tags and report, and the way to and from
its record. One system serves all of it.
"""

import json
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    FlowRunFilter,
    FlowRunFilterName,
)
from prefect.client.schemas.objects import Artifact, FlowRun, State
from prefect.states import Scheduled

from blocks.clock import utc_now
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.records import ExecutionRecord
from blocks.ports import Message
from tests.acceptance.executions.test_batches import all_in, subject_of
from tests.support.factories import A_TENANT
from tests.support.servers.prefect_server import PrefectServer
from tests.support.system.analysis_services import opportunity_event, services_on
from tests.support.system.orchestra import Orchestra, client_of, whole_orchestra
from tests.support.waiting import eventually

pytestmark = pytest.mark.long

PUBLIC = "https://api.customer.example"


@pytest.fixture
async def parts(tmp_path: Path, prefect_server: PrefectServer) -> AsyncIterator[Orchestra]:
    async with whole_orchestra(tmp_path, prefect_server, PUBLIC_URL=PUBLIC) as parts:
        yield parts


async def artifacts_of(prefect: PrefectClient, run_id: str) -> list[Artifact]:
    """Once the run has ended, so that it will have no more."""

    async def is_over() -> bool:
        state = (await prefect.read_flow_run(UUID(run_id))).state
        return bool(state and state.is_final())

    await eventually(is_over, within_seconds=30)
    of_run = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[UUID(run_id)]))
    return await prefect.read_artifacts(artifact_filter=of_run)


async def named(prefect: PrefectClient, text: str) -> list[FlowRun]:
    """The runs that the search of Prefect's list of runs finds."""
    return await prefect.read_flow_runs(
        flow_run_filter=FlowRunFilter(name=FlowRunFilterName(like_=text))
    )


async def test_an_operator_finds_a_run_by_its_opportunity_and_reads_its_report(
    parts: Orchestra, prefect: PrefectClient
) -> None:
    hostile = f"0063X-{uuid4().hex[:8]} ![x](https://evil.example/p.png)"
    alone = opportunity_event(A_TENANT, hostile, id=str(uuid4()))
    many = [opportunity_event(A_TENANT, str(uuid4()), id=str(uuid4())) for _ in range(6)]
    async with services_on(parts.bus, parts.name), client_of(parts) as api:
        for process in (parts.listener, parts.worker, parts.api):
            process.start()
        await parts.bus.publish(alone)
        [single] = await all_in(parts, [alone], "completed")
        await the_run_is_named_tagged_and_reported(prefect, single, hostile)
        parts.worker.kill()
        await parts.bus.publish(*many)
        await all_in(parts, many, "pending")
        parts.another_worker.start()
        batch = await all_in(parts, many, "completed")

        await the_batch_has_a_table(prefect, many, batch)
        document = (await api.get(f"/api/v1/executions/{single.id}")).json()
        page = f"{parts.settings.prefect.api_url.removesuffix('/api')}/runs/flow-run/"
        assert f"{page}{single.flow_run_id}" == document["flowRunUrl"]

        triggered = await api.post(
            "/api/v1/jobs/outcome-sync/trigger",
            json={},
            headers={"X-Tenant-ID": SYSTEM_TENANT, "Idempotency-Key": "by hand"},
        )
        assert 202 == triggered.status_code, triggered.text
        await a_trigger_by_hand_is_listed(prefect, triggered.json()["executionId"])
        await a_tick_that_is_late_is_not_skipped_for_it(prefect)
        await upcoming_ticks_are_named(prefect)


async def the_run_is_named_tagged_and_reported(
    prefect: PrefectClient, single: ExecutionRecord, subject: str
) -> None:
    [run] = await named(prefect, subject[:14])
    assert (f"Opportunity {subject}", str(run.id)) == (run.name, single.flow_run_id)
    assert {f"tenant:{A_TENANT}", "workflow:opportunity-analysis"} <= set(run.tags)
    [report] = await artifacts_of(prefect, str(run.id))
    assert ("markdown", None) == (report.type, report.key)
    assert f"{PUBLIC}/api/v1/executions/{single.id}" in str(report.data)
    assert "https://evil" not in str(report.data)
    assert "riskScore" in str(report.data)


async def the_batch_has_a_table(
    prefect: PrefectClient, events: list[Message], records: list[ExecutionRecord]
) -> None:
    [(largest, count)] = Counter(record.flow_run_id for record in records).most_common(1)
    assert count > 1, "they have waited for a worker together"
    inside = [record for record in records if record.flow_run_id == largest]
    assert largest
    run = await prefect.read_flow_run(UUID(largest))
    assert run.name.startswith(f"{len(inside)} opportunities")
    [table] = await artifacts_of(prefect, largest)
    assert ("table", None) == (table.type, table.key)
    rows = json.loads(str(table.data))
    assert len(inside) == len(rows)
    assert {"completed"} == {row["outcome"] for row in rows}
    assert {row["subject"].replace("\\", "") for row in rows} <= set(map(subject_of, events))


async def a_trigger_by_hand_is_listed(prefect: PrefectClient, execution_id: str) -> None:
    async def listed() -> FlowRun | None:
        found = await named(prefect, f"outcome-sync {utc_now():%Y-%m-%d}")
        by_hand = [run for run in found if run.name.endswith("by api")]
        return by_hand[0] if by_hand else None

    run = await eventually(listed, within_seconds=20)
    assert run
    assert run.state
    assert ("COMPLETED", "Triggered") == (run.state.type.value, run.state.name)
    assert execution_id in str(run.state.message)
    assert {"workflow-orchestrator", "workflow:batch-job"} <= set(run.tags)
    deployment = await prefect.read_deployment_by_name("batch-job/outcome-sync")
    assert deployment.id == run.deployment_id


async def a_tick_that_is_late_is_not_skipped_for_it(prefect: PrefectClient) -> None:
    deployment = await prefect.read_deployment_by_name("batch-job/outcome-sync")
    at = utc_now() - timedelta(minutes=10)
    late = await prefect.create_flow_run_from_deployment(
        deployment.id, state=Scheduled(scheduled_time=at)
    )

    async def ended() -> State[Any] | None:
        state = (await prefect.read_flow_run(late.id)).state
        return state if state and state.is_final() else None

    state = await eventually(ended, within_seconds=30)
    assert state
    assert "Completed" == state.name, state.message


async def upcoming_ticks_are_named(prefect: PrefectClient) -> None:
    async def all_named() -> bool:
        found = await prefect.read_flow_runs(
            flow_run_filter=FlowRunFilter.model_validate(
                {"tags": {"all_": ["auto-scheduled", "workflow:batch-job"]}}
            ),
            limit=200,
        )
        return bool(found) and all(
            run.name == f"{run.parameters['job']} {run.expected_start_time:%Y-%m-%d %H:%M}"
            for run in found
        )

    await eventually(all_named, within_seconds=90)
