"""Webhooks: who is notified of which events, and one delivery.

A subscription is a record of its tenant; its secret signs every delivery, so that the receiver can
distinguish ours from others'. Deliveries come at least once, in no order; the header
`X-Orchestrator-Delivery` is the event's id and identifies duplicates.
"""

import secrets
from collections.abc import Mapping, Sequence
from uuid import uuid4

import msgspec

from blocks.clock import utc_now
from blocks.contracts.envelope import SERVICE, WireEnvelope
from blocks.contracts.events import PUBLISHED
from blocks.contracts.records import WebhookSubscription
from blocks.ports import NotFound, RecordStore, Stale
from blocks.queries import every
from blocks.tenants.rosters import Roster
from blocks.webhooks.outgoing_http import Answered, HostRules, OutgoingHttp
from blocks.webhooks.signatures import signature_of

EVENT_PREFIX = "hitl.approval."
EVENT_TYPES = {name: data for name, data in PUBLISHED.items() if name.startswith(EVENT_PREFIX)}
"""What can be subscribed to."""

TEST_EVENT = "webhook.test"
SUBSCRIPTIONS_MAX = 20

SIGNATURE_HEADER = "X-Orchestrator-Signature"
EVENT_HEADER = "X-Orchestrator-Event"
DELIVERY_HEADER = "X-Orchestrator-Delivery"


class UnknownEventTypes(Exception):
    """Not open to subscriptions."""

    def __init__(self, unknown: Sequence[str]) -> None:
        super().__init__(
            f"no such event: {', '.join(unknown)}; there are {', '.join(sorted(EVENT_TYPES))}"
        )


class TooManyWebhooks(Exception):
    """The tenant has as many webhooks as one may have."""


async def subscribe(
    store: RecordStore, tenant_id: str, url: str, event_types: Sequence[str], rules: HostRules
) -> WebhookSubscription:
    """The tenant's new subscription, with its secret; no event types stands for all there are.

    Raises `DestinationRefused`, `UnknownEventTypes`, `TooManyWebhooks`.
    """
    rules.check(url)
    wanted = wanted_event_types(event_types)
    subscription = WebhookSubscription(
        id=str(uuid4()),
        tenant_id=tenant_id,
        created_at=utc_now(),
        url=url,
        event_types=wanted,
        secret=new_secret(),
    )
    await _roster(store, tenant_id).take(subscription.id, _check_room)
    return (await store.create(tenant_id, subscription)).record


def wanted_event_types(event_types: Sequence[str]) -> list[str]:
    """The event types of a subscription; an empty list means all. Raises `UnknownEventTypes`."""
    unknown = [name for name in event_types if name not in EVENT_TYPES]
    if unknown:
        raise UnknownEventTypes(unknown)
    return sorted(set(event_types) or EVENT_TYPES)


def new_secret() -> str:
    return f"whsec_{secrets.token_urlsafe(32)}"


async def subscriptions(store: RecordStore, tenant_id: str) -> list[WebhookSubscription]:
    """All of the tenant's, oldest first."""
    return [
        stored.record
        async for stored in every(store, tenant_id, WebhookSubscription, skips_unreadable=True)
    ]


async def subscription(store: RecordStore, tenant_id: str, id: str) -> WebhookSubscription:
    """Raises `NotFound`."""
    try:
        return (await store.read(tenant_id, WebhookSubscription, id)).record
    except NotFound:
        raise NotFound(f"tenant {tenant_id} has no webhook {id}") from None


async def unsubscribe(store: RecordStore, subscription: WebhookSubscription) -> None:
    """The subscription is gone, and what was under way to it goes nowhere."""
    await store.delete(subscription.tenant_id, WebhookSubscription, subscription.id)
    await _roster(store, subscription.tenant_id).leave(subscription.id)


def _roster(store: RecordStore, tenant_id: str) -> Roster:
    async def living() -> dict[str, str]:
        return {one.id: "" for one in await subscriptions(store, tenant_id)}

    return Roster(store, tenant_id, tenant_id, "webhooks", living)


def _check_room(others: Mapping[str, str]) -> None:
    if len(others) >= SUBSCRIPTIONS_MAX:
        raise TooManyWebhooks(f"a tenant has at most {SUBSCRIPTIONS_MAX} webhooks")


async def deactivate(store: RecordStore, to: WebhookSubscription) -> bool:
    """Nothing is sent to the subscription any more; its tenant still sees it. False, and it stays
    as it is, if it has changed since it was as given.
    """
    try:
        stored = await store.read(to.tenant_id, WebhookSubscription, to.id)
        if stored.record != to:
            return False
        await store.replace(to.tenant_id, stored.etag, _inactive(to))
    except (NotFound, Stale):
        return False
    return True


def _inactive(subscription: WebhookSubscription) -> WebhookSubscription:
    return msgspec.structs.replace(subscription, active=False, version=subscription.version + 1)


async def deliver(
    http: OutgoingHttp, to: WebhookSubscription, event_type: str, event_id: str, body: bytes
) -> Answered:
    """What the receiver answered. Raises `DestinationRefused`, `NoAnswer`."""
    headers = {
        "Content-Type": "application/json",
        "User-Agent": SERVICE,
        EVENT_HEADER: event_type,
        DELIVERY_HEADER: event_id,
        SIGNATURE_HEADER: signature_of(to, body, utc_now()),
    }
    return await http.post(to.url, body, headers)


async def deliver_test(http: OutgoingHttp, to: WebhookSubscription) -> int:
    """The status the receiver answered an event of type `webhook.test` with. Raises as `deliver`
    does.
    """
    event = WireEnvelope(
        id=str(uuid4()), type=TEST_EVENT, timestamp=utc_now(), tenant_id=to.tenant_id, data={}
    )
    return (await deliver(http, to, TEST_EVENT, event.id, msgspec.json.encode(event))).status
