"""One delivery to one receiver: what follows from its answer, and whom it holds up."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import pytest

from blocks.contracts import ids
from blocks.contracts.envelope import Event, encode_event
from blocks.contracts.events import WEBHOOK_DUE, EventData, HitlApprovalCompleted
from blocks.contracts.records import WebhookSubscription
from blocks.messages import to_message
from blocks.ports import Accept, Delivery, EventBus, Message, RecordStore, Retry
from blocks.settings import load_settings
from blocks.topology import webhooks_queue
from blocks.webhooks.changes import WebhookChange, change
from blocks.webhooks.outgoing_http import Answered, HostRules, OutgoingHttp
from listeners.webhooks.deliveries import AT_ONCE, Webhooks
from listeners.webhooks.receivers import BUSY
from tests.support.factories import A_TENANT, ANOTHER_TENANT, a_webhook, new_id, now
from tests.support.waiting import eventually

OLD, NEW = "https://old.example/hook", "https://new.example/hook"
QUEUE = webhooks_queue(load_settings({}))


class Http(OutgoingHttp):
    """What receivers answer, without a network."""

    def __init__(self, answer: Callable[[str], Awaitable[int]]) -> None:
        self._answer = answer
        self.urls: list[str] = []

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answered:
        self.urls.append(url)
        return Answered(await self._answer(url))


def a_decision(tenant_id: str = A_TENANT) -> Event[EventData]:
    data = HitlApprovalCompleted(
        tenant_id=tenant_id,
        opportunity_id=new_id(),
        approval_id=new_id(),
        approved=True,
        decided_by="chief@customer.example",
        decided_at=now(),
    )
    return Event(id=new_id(), tenant_id=tenant_id, timestamp=now(), data=data)


def a_delivery(to: WebhookSubscription, attempt: int = 1) -> Delivery:
    event = a_decision(to.tenant_id)
    message = Message(
        id=ids.webhook_delivery_id(to.id, event.id),
        routing_key=WEBHOOK_DUE,
        body=encode_event(event),
        timestamp=event.timestamp,
        headers={"subscriptionId": to.id},
    )
    return Delivery(message=message, queue=QUEUE.name, attempt=attempt)


async def read(store: RecordStore, webhook: WebhookSubscription) -> WebhookSubscription:
    return (await store.read(webhook.tenant_id, WebhookSubscription, webhook.id)).record


# --- 410 Gone -------------------------------------------------------------------------------------


async def test_a_receiver_that_is_gone_is_sent_nothing_more(
    store: RecordStore, bus: EventBus
) -> None:
    async def gone(url: str) -> int:
        return 410

    webhook = a_webhook(url=OLD)
    await store.create(A_TENANT, webhook)
    http = Http(gone)
    webhooks = Webhooks(store, bus, http, [5.0])

    assert Accept() == await webhooks.handle(a_delivery(webhook))
    assert Accept() == await webhooks.handle(a_delivery(webhook))
    assert (False, [OLD]) == ((await read(store, webhook)).active, http.urls)


@pytest.mark.parametrize(
    "repair",
    [
        [WebhookChange(url=NEW)],
        [WebhookChange(active=False), WebhookChange(active=True)],
        [WebhookChange(rotate_secret=True)],
    ],
    ids=["another URL", "active again", "another secret"],
)
async def test_a_webhook_that_was_changed_while_it_was_sent_to_does_not_become_inactive(
    store: RecordStore, bus: EventBus, repair: list[WebhookChange]
) -> None:
    async def repaired_meanwhile(url: str) -> int:
        if len(http.urls) > 1:
            return 204
        for one in repair:
            await change(store, A_TENANT, webhook.id, one, HostRules())
        return 410

    webhook = a_webhook(url=OLD)
    await store.create(A_TENANT, webhook)
    http = Http(repaired_meanwhile)
    webhooks = Webhooks(store, bus, http, [5.0])
    delivery = a_delivery(webhook, attempt=2)  # the last of two

    verdict = await webhooks.handle(delivery)

    assert isinstance(verdict, Retry)
    assert not verdict.counts
    assert (await read(store, webhook)).active
    assert Accept() == await webhooks.handle(delivery)
    assert [OLD, (await read(store, webhook)).url] == http.urls


# --- a tenant's share -----------------------------------------------------------------------------


async def test_slow_webhooks_of_one_tenant_hold_up_no_other_tenant(
    store: RecordStore, bus: EventBus
) -> None:
    released = asyncio.Event()

    async def answer(url: str) -> int:
        if url != NEW:
            await released.wait()
        return 204

    async def as_many_as_may() -> bool:
        return http.urls.count(OLD) >= BUSY

    async def has_arrived() -> bool:
        return NEW in http.urls

    http = Http(answer)
    webhooks = Webhooks(store, bus, http, [5.0])
    for _ in range(5):
        await store.create(A_TENANT, a_webhook(url=OLD))
    await store.create(ANOTHER_TENANT, a_webhook(url=NEW, tenant_id=ANOTHER_TENANT))
    await bus.declare(QUEUE)
    async with bus.consume(QUEUE, webhooks.handle, concurrency=AT_ONCE):
        try:
            await bus.publish(*(to_message(a_decision()) for _ in range(200)), required=True)
            await eventually(as_many_as_may, within_seconds=30)
            await bus.publish(to_message(a_decision(ANOTHER_TENANT)), required=True)
            await eventually(has_arrived, within_seconds=30)
        finally:
            released.set()
