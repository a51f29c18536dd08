"""Webhooks over HTTP. Only the answer to creating or rotating a secret contains it."""

from datetime import datetime
from typing import Annotated

import msgspec

from api.http.documents import Document
from api.http.lists import ListPage
from blocks.contracts.records import WebhookSubscription
from blocks.webhooks import changes
from blocks.webhooks.changes import WebhookChange
from blocks.webhooks.outgoing_http import URL_LENGTH_MAX


class NewWebhook(Document, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where to deliver, and which events; without `eventTypes`, all."""

    url: Annotated[str, msgspec.Meta(min_length=1, max_length=URL_LENGTH_MAX)]
    event_types: Annotated[list[str], msgspec.Meta(max_length=20)] = msgspec.field(
        default_factory=list
    )


class WebhookPatch(Document, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The fields to change; others stay. `active: true` resumes deliveries after a 410 Gone."""

    url: (
        Annotated[str, msgspec.Meta(min_length=1, max_length=URL_LENGTH_MAX)] | msgspec.UnsetType
    ) = msgspec.UNSET
    event_types: Annotated[list[str], msgspec.Meta(max_length=20)] | msgspec.UnsetType = (
        msgspec.UNSET
    )
    active: bool | msgspec.UnsetType = msgspec.UNSET
    rotate_secret: bool = False
    """True: another secret signs from now on, and the earlier ones stay valid for 24 hours."""

    def change(self) -> WebhookChange:
        stated = {
            name: value
            for name, value in msgspec.structs.asdict(self).items()
            if value is not msgspec.UNSET
        }
        return WebhookChange(**stated)


class Webhook(Document, frozen=True, kw_only=True):
    """A subscription to events; `active` is false after its receiver's 410 Gone, or by a change."""

    id: str
    tenant_id: str
    url: str
    event_types: list[str]
    active: bool
    created_at: datetime
    earlier_secrets_valid_until: datetime | None = None
    """Until then, deliveries are signed with a secret that was rotated, too."""


class CreatedWebhook(Webhook, frozen=True, kw_only=True):
    """A new subscription, with the secret that signs its deliveries; it is not shown again."""

    secret: str


class ChangedWebhook(Webhook, frozen=True, kw_only=True):
    """A changed subscription; with its secret if that was rotated, which is not shown again."""

    secret: str | None = None


class WebhookList(ListPage, frozen=True, kw_only=True):
    """A page of the tenant's webhooks."""

    items: list[Webhook]


def webhook_of(subscription: WebhookSubscription) -> Webhook:
    return Webhook(
        id=subscription.id,
        tenant_id=subscription.tenant_id,
        url=subscription.url,
        event_types=subscription.event_types,
        active=subscription.active,
        created_at=subscription.created_at,
        earlier_secrets_valid_until=changes.earlier_secrets_valid_until(subscription),
    )


def created_of(subscription: WebhookSubscription) -> CreatedWebhook:
    return CreatedWebhook(
        **msgspec.structs.asdict(webhook_of(subscription)), secret=subscription.secret
    )


def changed_of(subscription: WebhookSubscription, *, with_secret: bool) -> ChangedWebhook:
    secret = subscription.secret if with_secret else None
    return ChangedWebhook(**msgspec.structs.asdict(webhook_of(subscription)), secret=secret)
