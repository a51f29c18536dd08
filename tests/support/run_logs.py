"""What a person reads in Prefect about one flow run: its log, and the form of a suspension."""

import logging
from typing import Any
from uuid import UUID

import msgspec
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import LogFilter, LogFilterFlowRunId
from prefect.client.schemas.sorting import LogSort
from prefect.settings import PREFECT_API_URL, temporary_settings

from tests.support.servers.prefect_server import PrefectServer
from tests.support.waiting import eventually


async def run_log_of(server: PrefectServer, flow_run_id: str, level: str = "INFO") -> list[str]:
    """Its lines from this level on, oldest first, once there are any."""
    of_run = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[UUID(flow_run_id)]))
    lowest = logging.getLevelNamesMapping()[level]

    async def lines() -> list[str]:
        read = await client.read_logs(of_run, limit=200, sort=LogSort.TIMESTAMP_ASC)
        return [line.message for line in read if line.level >= lowest]

    async with client_of(server) as client:
        return await eventually(lines, within_seconds=30)


async def form_of_suspension(
    client: PrefectClient, flow_run_id: str
) -> tuple[dict[str, Any], str, str]:
    """The form that its UI shows, the text above it, and the message of the suspended state."""
    run = await client.read_flow_run(UUID(flow_run_id))
    assert run.state
    names = run.state.state_details.run_input_keyset
    assert names
    form, text = [
        msgspec.json.decode(await client.read_flow_run_input(run.id, names[name]))
        for name in ("schema", "description")
    ]
    return form, text, run.state.message or ""


def client_of(server: PrefectServer) -> PrefectClient:
    with temporary_settings({PREFECT_API_URL: server.api_url}):
        return get_client()
