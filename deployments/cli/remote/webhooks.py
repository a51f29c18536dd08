"""Webhooks over HTTP."""

from collections.abc import Sequence
from datetime import datetime

from api.webhooks.documents import ChangedWebhook, CreatedWebhook, Webhook, WebhookList
from deployments.cli.over_http import Access
from deployments.cli.remote.client import client, path_of
from deployments.cli.remote.refusals import NotDone


async def query_webhooks(access: Access, tenant_id: str) -> list[Webhook]:
    async with client(access, tenant_id) as api:
        return [one async for one in api.pages(path_of("webhooks"), WebhookList, None)]


async def add_webhook(
    access: Access, tenant_id: str, url: str, event_types: Sequence[str], actor: str
) -> tuple[str, str]:
    wanted = {"url": url, "eventTypes": event_types}
    async with client(access, tenant_id, actor) as api:
        added = await api.post(path_of("webhooks"), CreatedWebhook, wanted)
    return added.id, added.secret


async def rotate_secret(
    access: Access, tenant_id: str, id: str, actor: str
) -> tuple[str, datetime]:
    path = path_of("webhooks", id)
    async with client(access, tenant_id, actor) as api:
        _, etag = await api.read(path, Webhook)
        wanted = {"rotateSecret": True}
        rotated = await api.send("PATCH", path, ChangedWebhook, wanted, if_match=etag)
    if rotated.secret is None or rotated.earlier_secrets_valid_until is None:
        raise NotDone(f"the API has answered without a secret: look at webhook {id} again")
    return rotated.secret, rotated.earlier_secrets_valid_until


async def remove_webhook(access: Access, tenant_id: str, id: str, actor: str) -> None:
    async with client(access, tenant_id, actor) as api:
        await api.send("DELETE", path_of("webhooks", id), type(None))
