"""Webhooks as they look over HTTP. Only the answer to the creation holds the secret."""

from datetime import datetime
from typing import Annotated

import msgspec

from api.http.documents import Document
from blocks.contracts.records import WebhookSubscription
from blocks.outgoing_http import URL_LENGTH_MAX


class NewWebhook(Document, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where to tell, and of what: no `eventTypes` stands for all there are."""

    url: Annotated[str, msgspec.Meta(min_length=1, max_length=URL_LENGTH_MAX)]
    event_types: Annotated[list[str], msgspec.Meta(max_length=20)] = msgspec.field(default_factory=list)


class Webhook(Document, frozen=True, kw_only=True):
    """A subscription to events; `active` is false once its receiver has answered 410 Gone."""

    id: str
    tenant_id: str
    url: str
    event_types: list[str]
    active: bool
    created_at: datetime


class CreatedWebhook(Webhook, frozen=True, kw_only=True):
    """A new subscription, with the secret that signs its deliveries; it is not shown again."""

    secret: str


class WebhookList(Document, frozen=True, kw_only=True):
    """The tenant's webhooks, oldest first."""

    webhooks: list[Webhook]


def webhook_of(subscription: WebhookSubscription) -> Webhook:
    return Webhook(
        id=subscription.id,
        tenant_id=subscription.tenant_id,
        url=subscription.url,
        event_types=subscription.event_types,
        active=subscription.active,
        created_at=subscription.created_at,
    )


def created_of(subscription: WebhookSubscription) -> CreatedWebhook:
    return CreatedWebhook(**msgspec.structs.asdict(webhook_of(subscription)), secret=subscription.secret)
