"""Prefect's automations that notify, on the session's server, and what they send."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import msgspec
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.objects import FlowRun
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Failed

from deployments.bootstrap.automations import WATCHES
from tests.support.servers.prefect_server import PrefectServer
from tests.support.servers.webhook_receiver import Receiver, a_receiver
from tests.support.waiting import eventually

FAILED_RUN = WATCHES[0].title
NOTIFICATION_BLOCK = "custom-webhook/on-call"
"""For PREFECT_NOTIFICATION_BLOCK, while `notification_block` lasts."""


@asynccontextmanager
async def without_automations(server: PrefectServer) -> AsyncIterator[PrefectClient]:
    """Its client, on a server that has none of our automations, before and after."""
    with temporary_settings({PREFECT_API_URL: server.api_url}):
        async with get_client() as client:
            await _forget(client)
            yield client
            await _forget(client)


@asynccontextmanager
async def notification_block() -> AsyncIterator[Receiver]:
    """What a person on call is sent through the block `NOTIFICATION_BLOCK`."""
    with a_receiver() as receiver:
        block = CustomWebhookNotificationBlock(
            name="on-call",
            url=receiver.url,
            json_data={"subject": "{{subject}}", "body": "{{body}}"},
        )
        await block.asave("on-call", overwrite=True)
        yield receiver


def notifications(receiver: Receiver) -> list[dict[str, Any]]:
    """Subject and body of each that has come, in their order."""
    return [msgspec.json.decode(request.body) for request in receiver.received]


def runs_named(receiver: Receiver) -> list[UUID]:
    """The flow run to which each notification links, in their order."""
    links = [one["body"].splitlines()[1] for one in notifications(receiver)]
    return [UUID(urlsplit(link).path.removeprefix("/runs/flow-run/")) for link in links]


async def runs_alerted(receiver: Receiver, last: FlowRun) -> Counter[UUID]:
    """How often each run was alerted before this one, which fails now."""
    async with get_client() as client:
        await client.set_flow_run_state(last.id, Failed(), force=True)

    async def has_come() -> bool:
        return last.id in runs_named(receiver)

    await eventually(has_come, within_seconds=60)
    return Counter(runs_named(receiver)) - Counter([last.id])


async def switch_on(title: str) -> None:
    """The automation of this name works from now on."""
    async with get_client() as client:
        [automation] = await client.read_automations_by_name(title)
        await client.resume_automation(automation.id)


async def _forget(client: PrefectClient) -> None:
    for watch in WATCHES:
        for automation in await client.read_automations_by_name(watch.title):
            await client.delete_automation(automation.id)
