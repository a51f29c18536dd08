"""Webhook deliveries: an event becomes one message per subscription, and each of those one request.

Two steps over one queue, so that a receiver that is down is retried by itself: its message waits on
the bus, up to hours, and is a dead letter after the last attempt, while the other subscriptions
have received the event once.
"""

import logging
from collections.abc import Sequence
from datetime import UTC

from blocks.clock import utc_now
from blocks.contracts import ids, rejections
from blocks.contracts.envelope import Event, UnknownEventType, decode_event, encode_event
from blocks.contracts.events import WEBHOOK_DUE, EventData
from blocks.contracts.records import WebhookSubscription
from blocks.contracts.rejections import Rejected
from blocks.observability.log_context import log_context
from blocks.ports import (
    Accept,
    Delivery,
    EventBus,
    Message,
    NotFound,
    RecordStore,
    Reject,
    Retry,
    Verdict,
)
from blocks.webhooks import subscriptions
from blocks.webhooks.outgoing_http import Answered, DestinationRefused, NoAnswer, OutgoingHttp
from blocks.webhooks.retries import delay_after, later
from listeners.webhooks.receivers import Receivers

log = logging.getLogger(__name__)

AT_ONCE = 64
"""Requests under way in one listener; each takes at most `webhooks.timeout_seconds`, and one
receiver has a share, as has one tenant.
"""

_SUBSCRIPTION = "subscriptionId"
_GONE = 410


class Webhooks:
    """Judges deliveries of the webhooks' queue."""

    def __init__(
        self,
        store: RecordStore,
        bus: EventBus,
        http: OutgoingHttp,
        retry_delays_seconds: Sequence[float],
    ) -> None:
        self._store = store
        self._bus = bus
        self._http = http
        self._delays = retry_delays_seconds
        self.receivers = Receivers()

    async def handle(self, delivery: Delivery) -> Verdict:
        """Accepted once its messages are on the bus, or its receiver has answered with a status of
        success.
        """
        message = delivery.message
        try:
            event = decode_event(
                message.body, received_at=utc_now(), types=subscriptions.EVENT_TYPES
            )
        except UnknownEventType:
            return Accept()  # an approval's event that cannot be subscribed to
        except Rejected as rejected:
            return Reject(rejected.code, rejected.reason)
        with log_context(tenant_id=event.tenant_id):
            if message.routing_key == WEBHOOK_DUE:
                return await self._deliver(event, delivery)
            await self._spread(event)
            return Accept()

    async def _spread(self, event: Event[EventData]) -> None:
        """One message per subscription, under ids that are the same when this is done again."""
        due = [
            _due(event, subscription)
            for subscription in await subscriptions.subscriptions(self._store, event.tenant_id)
            if subscription.active and event.type in subscription.event_types
        ]
        if due:
            await self._bus.publish(*due, required=True)

    async def _deliver(self, event: Event[EventData], delivery: Delivery) -> Verdict:
        id = delivery.message.headers.get(_SUBSCRIPTION, "")
        if wait := self.receivers.seconds_to_wait(event.tenant_id, id):
            return _not_now(f"webhook {id} is busy", wait)
        with self.receivers.sending(event.tenant_id, id):
            try:
                to = await subscriptions.subscription(self._store, event.tenant_id, id)
            except NotFound:
                return Accept()  # removed meanwhile
            return await self._send(event, delivery, to) if to.active else Accept()

    async def _send(
        self, event: Event[EventData], delivery: Delivery, to: WebhookSubscription
    ) -> Verdict:
        try:
            answer = await subscriptions.deliver(
                self._http, to, event.type, event.id, delivery.message.body
            )
        except DestinationRefused as refused:
            return Reject(rejections.WEBHOOK_REFUSED, f"webhook {to.id}: {refused}")
        except NoAnswer as failure:
            self.receivers.was_silent(to.id)
            return self._later(delivery, to, str(failure))
        self.receivers.answered(to.id)
        return await self._judge(answer, event, delivery, to)

    async def _judge(
        self, answer: Answered, event: Event[EventData], delivery: Delivery, to: WebhookSubscription
    ) -> Verdict:
        if 200 <= answer.status < 300:
            log.info("event %s (%s) delivered to webhook %s", event.id, event.type, to.id)
            return Accept()
        if answer.status == _GONE:
            if not await subscriptions.deactivate(self._store, to):
                return _not_now(f"webhook {to.id} changed while it was sent to", self._delays[0])
            log.warning("webhook %s is inactive from now on: its receiver answered 410 Gone", to.id)
            return Accept()
        if answer.retry_after_seconds:
            self.receivers.leave_alone(to.id, answer.retry_after_seconds)
        return self._later(
            delivery, to, f"the receiver answered {answer.status}", answer.retry_after_seconds
        )

    def _later(
        self,
        delivery: Delivery,
        to: WebhookSubscription,
        why: str,
        retry_after_seconds: float | None = None,
    ) -> Retry:
        seconds = delay_after(delivery.attempt, self._delays, retry_after_seconds)
        log.warning(
            "delivery %s to webhook %s failed, attempt %d of %d, the next in %.0f s: %s",
            *(delivery.message.id, to.id, delivery.attempt, len(self._delays) + 1, seconds, why),
        )
        return Retry(rejections.WEBHOOK_FAILED, f"webhook {to.id}: {why}", seconds)


def _not_now(why: str, seconds: float) -> Retry:
    """This was no attempt."""
    return Retry(rejections.WEBHOOK_FAILED, why, later(seconds), counts=False)


def _due(event: Event[EventData], to: WebhookSubscription) -> Message:
    return Message(
        id=ids.webhook_delivery_id(to.id, event.id),
        routing_key=WEBHOOK_DUE,
        body=encode_event(event),
        timestamp=event.timestamp.astimezone(UTC),
        headers={"tenantId": event.tenant_id, _SUBSCRIPTION: to.id},
    )
