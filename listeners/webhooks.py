"""Tells webhooks: an event becomes one message per subscription, and each of those one request.

Two steps over one queue, so that a receiver that is down is tried again by itself: its message waits and comes back as
the bus' retries do, and is a dead letter in the end, while the others of the same event have been told once.
"""

import logging
from datetime import UTC

from blocks import webhooks
from blocks.clock import utc_now
from blocks.contracts import ids, rejections
from blocks.contracts.envelope import Event, UnknownEventType, decode_event, encode_event
from blocks.contracts.events import EventData
from blocks.contracts.records import WebhookSubscription
from blocks.contracts.rejections import Rejected
from blocks.log_context import log_context
from blocks.outgoing_http import DestinationRefused, NoAnswer, OutgoingHttp
from blocks.ports import Accept, Delivery, EventBus, Message, NotFound, RecordStore, Reject, Retry, Verdict
from blocks.topology import WEBHOOK_DUE

log = logging.getLogger(__name__)

AT_ONCE = 32
"""Requests under way in one listener; each takes at most `webhooks.timeout_seconds`."""

_SUBSCRIPTION = "subscriptionId"
_GONE = 410


class Webhooks:
    """Judges deliveries of the webhooks' queue."""

    def __init__(self, store: RecordStore, bus: EventBus, http: OutgoingHttp) -> None:
        self._store = store
        self._bus = bus
        self._http = http

    async def handle(self, delivery: Delivery) -> Verdict:
        """Accepted once its messages are on the bus, or its receiver has answered with a status of success."""
        message = delivery.message
        try:
            event = decode_event(message.body, received_at=utc_now(), types=webhooks.EVENT_TYPES)
        except UnknownEventType:
            return Accept()  # of the approvals' kind, and nobody can subscribe to it
        except Rejected as rejected:
            return Reject(rejected.code, rejected.reason)
        with log_context(tenant_id=event.tenant_id):
            if message.routing_key == WEBHOOK_DUE:
                return await self._tell(event, message.body, message.headers.get(_SUBSCRIPTION, ""))
            await self._spread(event)
            return Accept()

    async def _spread(self, event: Event[EventData]) -> None:
        """One message per subscription, under ids that are the same when this is done again."""
        due = [
            _due(event, subscription)
            for subscription in await webhooks.subscriptions(self._store, event.tenant_id)
            if subscription.active and event.type in subscription.event_types
        ]
        if due:
            await self._bus.publish(*due, required=True)

    async def _tell(self, event: Event[EventData], body: bytes, subscription_id: str) -> Verdict:
        try:
            to = await webhooks.subscription(self._store, event.tenant_id, subscription_id)
        except NotFound:
            return Accept()  # removed meanwhile
        if not to.active:
            return Accept()
        try:
            status = await webhooks.deliver(self._http, to, event.type, event.id, body)
        except DestinationRefused as refused:
            return Reject(rejections.WEBHOOK_REFUSED, f"webhook {to.id}: {refused}")
        except NoAnswer as failure:
            return Retry(rejections.WEBHOOK_FAILED, f"webhook {to.id}: {failure}")
        return await self._judge(status, event, to)

    async def _judge(self, status: int, event: Event[EventData], to: WebhookSubscription) -> Verdict:
        if 200 <= status < 300:
            log.info("event %s (%s) delivered to webhook %s", event.id, event.type, to.id)
            return Accept()
        if status == _GONE:
            await webhooks.deactivate(self._store, to.tenant_id, to.id)
            log.warning("webhook %s is inactive from now on: its receiver answered 410 Gone", to.id)
            return Accept()
        log.warning("webhook %s answered %d to event %s", to.id, status, event.id)
        return Retry(rejections.WEBHOOK_FAILED, f"webhook {to.id}: the receiver answered {status}")


def _due(event: Event[EventData], to: WebhookSubscription) -> Message:
    return Message(
        id=ids.webhook_delivery_id(to.id, event.id),
        routing_key=WEBHOOK_DUE,
        body=encode_event(event),
        timestamp=event.timestamp.astimezone(UTC),
        headers={"tenantId": event.tenant_id, _SUBSCRIPTION: to.id},
    )
