"""What was done is not done again: an event and its answers come once more, long after their
execution has ended.
"""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from blocks.adapters.prefect.flow_runs import PrefectFlowRuns
from blocks.contracts.records import ExecutionRecord
from blocks.ports import Message
from blocks.topology import intake_queue
from tests.support.analyses import an_opportunity, ended, execution_id_of, seen
from tests.support.factories import A_TENANT
from tests.support.servers.prefect_server import PrefectServer
from tests.support.system.analysis_services import AnalysisServices
from tests.support.system.ledger import REQUESTED, TERMINAL, Ledger
from tests.support.system.orchestra import Orchestra, orchestra

ALL_STATES = (
    "scheduled",
    "pending",
    "running",
    "paused",
    "completed",
    "failed",
    "crashed",
    "cancelled",
)


@pytest.fixture
async def parts(tmp_path: Path, prefect_server: PrefectServer) -> AsyncIterator[Orchestra]:
    async with orchestra(tmp_path, prefect_server) as parts:
        parts.listener.start()
        parts.worker.start()
        yield parts


async def test_an_event_that_comes_again_after_the_end_has_no_effect_without_its_flow_run(
    parts: Orchestra,
    ledger: Ledger,
    services: AnalysisServices,
    flow_runs: PrefectFlowRuns,
    prefect_server: PrefectServer,
) -> None:
    """One event is one flow run, also where the listener's first sweep meets the event in the
    middle of its dispatch.

    The event is published while the listener starts, so both happen here, and more often on a busy
    machine.
    """
    event, later = an_opportunity(), an_opportunity()
    await parts.bus.publish(event)
    run_id = (await ended(parts, event)).flow_run_id
    record = await parts.store.read(A_TENANT, ExecutionRecord, execution_id_of(event))
    answers = [
        one
        for one in ledger.seen
        if one["source"] != "workflow-orchestrator" and one["id"] != event.id
    ]

    await parts.bus.publish(event)
    await delete_run(prefect_server, run_id or "")
    await parts.bus.publish(event, *(again(answer, event) for answer in answers), later)
    await ended(parts, later)
    await everything_is_taken_in(parts)

    assert 4 == len(answers)
    assert record == await parts.store.read(A_TENANT, ExecutionRecord, record.record.id)
    runs = await flow_runs.list_runs(states=ALL_STATES)
    assert [] == [run.id for run in runs if record.record.id in run.execution_ids]
    assert [2, 2, 2, 2] == [len(services.asked[request]) for request in REQUESTED]
    assert 2 == len(await ledger.published(*TERMINAL, count=2))
    assert 0 == await parts.bus.depth(intake_queue(parts.settings).dead_letters)


async def delete_run(prefect: PrefectServer, run_id: str) -> None:
    with temporary_settings({PREFECT_API_URL: prefect.api_url}):
        async with get_client() as client:
            await client.delete_flow_run(UUID(run_id))


def again(envelope: dict[str, object], like: Message) -> Message:
    """The same event, byte for byte as far as can be seen."""
    return Message(
        id=str(envelope["id"]),
        routing_key=str(envelope["type"]),
        body=json.dumps(envelope).encode(),
        timestamp=like.timestamp,
    )


async def everything_is_taken_in(parts: Orchestra) -> None:
    async def is_empty() -> bool:
        return await parts.bus.depth(intake_queue(parts.settings).name) == 0

    await seen(parts, is_empty)
