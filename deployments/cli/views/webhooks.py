"""Webhooks for a person at a terminal."""

from collections.abc import Sequence
from datetime import datetime
from time import monotonic

import msgspec

from api.webhooks.documents import Webhook, webhook_of
from blocks.observability.redaction import origin
from blocks.services import open_store
from blocks.settings import load_settings
from blocks.webhooks import subscriptions
from blocks.webhooks.changes import WebhookChange, change
from blocks.webhooks.outgoing_http import HostRules, OutgoingHttp
from deployments.cli.acts import audited
from deployments.printing import console, say_json, say_line, table_of, text_of_lines


async def query_webhooks(tenant_id: str) -> list[Webhook]:
    async with open_store(load_settings()) as store:
        return [webhook_of(one) for one in await subscriptions.subscriptions(store, tenant_id)]


def print_webhooks(found: Sequence[Webhook], *, as_json: bool) -> None:
    if as_json:
        for webhook in found:
            say_json(msgspec.structs.replace(webhook, url=origin(webhook.url)))
        return
    if not found:
        say_line("no webhooks")
        return
    table = table_of("ID", "ACTIVE", "CREATED", "URL", "EVENTS", wraps=("URL", "EVENTS"))
    for webhook in found:
        active = "yes" if webhook.active else "no"
        created = f"{webhook.created_at:%Y-%m-%d %H:%M}"
        url, events = origin(webhook.url), text_of_lines(webhook.event_types)
        table.add_row(webhook.id, active, created, url, events)
    console().print(table)


async def add_webhook(
    tenant_id: str, url: str, event_types: Sequence[str], actor: str
) -> tuple[str, str]:
    """The new webhook's id and secret. Raises `DestinationRefused`, `TooManyWebhooks`."""
    settings = load_settings()
    rules = HostRules.of(settings.webhooks.allowed_hosts)
    async with open_store(settings) as store:
        await store.provision()
        async with audited(store, tenant_id, "webhooks add", actor) as recorded:
            added = await subscriptions.subscribe(recorded, tenant_id, url, event_types, rules)
    return added.id, added.secret


async def rotate_secret(tenant_id: str, id: str, actor: str) -> tuple[str, datetime]:
    """The webhook's new secret, and until when the earlier one stays valid. Raises `NotFound`,
    `TooManySecrets`.
    """
    settings = load_settings()
    async with (
        open_store(settings) as opened,
        audited(opened, tenant_id, "webhooks rotate", actor, id) as store,
    ):
        wanted = WebhookChange(rotate_secret=True)
        rotated = await change(
            store, tenant_id, id, wanted, HostRules.of(settings.webhooks.allowed_hosts)
        )
    return rotated.secret, rotated.earlier_secrets[-1].valid_until


async def remove_webhook(tenant_id: str, id: str, actor: str) -> None:
    """Raises `NotFound`."""
    async with (
        open_store(load_settings()) as opened,
        audited(opened, tenant_id, "webhooks remove", actor, id) as store,
    ):
        await subscriptions.unsubscribe(
            store, await subscriptions.subscription(store, tenant_id, id)
        )


async def try_webhook(tenant_id: str, id: str) -> tuple[int, float]:
    """What the receiver answered, and after how many seconds. Raises `NotFound`,
    `DestinationRefused`, `NoAnswer`.
    """
    settings = load_settings()
    rules = HostRules.of(settings.webhooks.allowed_hosts)
    async with (
        open_store(settings) as store,
        OutgoingHttp(rules, timeout_seconds=settings.webhooks.timeout_seconds) as http,
    ):
        webhook = await subscriptions.subscription(store, tenant_id, id)
        began = monotonic()
        return await subscriptions.deliver_test(http, webhook), monotonic() - began
