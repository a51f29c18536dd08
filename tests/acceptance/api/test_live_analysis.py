"""A real analysis, by real processes, as a client that follows it receives it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from blocks.contracts import ids
from blocks.contracts.analysis import WORKFLOW
from tests.support.factories import A_TENANT
from tests.support.servers.prefect_server import PrefectServer
from tests.support.system.analysis_services import AnalysisServices, opportunity_event
from tests.support.system.live_system import Client, Place, follow_stream
from tests.support.system.orchestra import Orchestra, orchestra
from tests.support.waiting import eventually

PREFIX = "workflow.opportunity.analysis"


@pytest.fixture
async def parts(tmp_path: Path, prefect_server: PrefectServer) -> AsyncIterator[Orchestra]:
    async with orchestra(tmp_path, prefect_server) as parts:
        yield parts


async def test_an_analysis_is_streamed_from_its_start_to_its_end_to_who_follows_its_subject(
    parts: Orchestra, services: AnalysisServices
) -> None:
    client, opportunity = Client(), str(uuid4())
    event = opportunity_event(A_TENANT, opportunity, id=str(uuid4()))
    place = Place(parts.api, parts.settings.server.port)
    await place.starts()
    parts.listener.start()
    parts.worker.start()

    following = asyncio.create_task(
        follow_stream(client, place.port, query=f"?subject={opportunity}")
    )
    await eventually(client.stands)
    await parts.bus.publish(opportunity_event(A_TENANT, str(uuid4()), id=str(uuid4())), event)
    await eventually(client.has_received(f"{PREFIX}.completed"), within_seconds=120)
    following.cancel()

    events = [message for message in client.received if message.data]
    assert [f"{PREFIX}.started", *4 * ["workflow.step.completed"], f"{PREFIX}.completed"] == [
        message.event for message in events
    ]
    execution_id = ids.execution_id(A_TENANT, WORKFLOW, event.id)
    assert {(execution_id, WORKFLOW, opportunity)} == {
        (message.data["executionId"], message.data["workflow"], message.data["subject"])
        for message in events
    }
