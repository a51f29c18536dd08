"""A Prefect server without our automations."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prefect.client.orchestration import PrefectClient, get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from deployments.bootstrap.automations import WATCHES
from tests.support.servers.prefect_server import PrefectServer


@asynccontextmanager
async def without_automations(server: PrefectServer) -> AsyncIterator[PrefectClient]:
    """Its client, on a server that has none of our automations, before and after."""
    with temporary_settings({PREFECT_API_URL: server.api_url}):
        async with get_client() as client:
            await _forget(client)
            yield client
            await _forget(client)


async def _forget(client: PrefectClient) -> None:
    for watch in WATCHES:
        for automation in await client.read_automations_by_name(watch.title):
            await client.delete_automation(automation.id)
