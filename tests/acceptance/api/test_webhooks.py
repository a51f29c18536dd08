"""Webhooks are delivered on both buses: each by itself, again if it fails, and nothing goes where
it must not.
"""

import hmac
import os
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from email.utils import format_datetime
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import msgspec
import pytest

from blocks.adapters.sqlite.record_store import SqliteRecordStore
from blocks.contracts import rejections
from blocks.contracts.envelope import Event
from blocks.contracts.events import EventData, HitlApprovalCompleted, HitlApprovalRequested
from blocks.contracts.records import WebhookSubscription
from blocks.messages import to_message
from blocks.ports import EventBus, Message, RecordStore
from blocks.services import open_bus, open_store
from blocks.settings import Settings, load_settings
from blocks.topology import webhooks_queue
from blocks.webhooks.changes import WebhookChange, change
from blocks.webhooks.outgoing_http import HostRules, OutgoingHttp
from blocks.webhooks.retries import delays_of
from deployments.bootstrap.provision import provision
from listeners.webhooks.deliveries import Webhooks
from listeners.webhooks.receivers import AT_ONCE, Receivers
from tests.support.factories import A_TENANT, ANOTHER_TENANT, a_webhook, new_id, now
from tests.support.servers.ports import free_port
from tests.support.servers.webhook_receiver import Answer, Received, a_receiver
from tests.support.system.orchestra import Process
from tests.support.waiting import eventually

GONE_WRONG = Answer(500)


class WebhookConsumer:
    """A listener's consumer of the webhooks' queue, with the bus and the store behind it."""

    def __init__(self, settings: Settings, bus: EventBus, store: RecordStore) -> None:
        self.queue = webhooks_queue(settings)
        self.bus = bus
        self.store = store
        self.receivers = Receivers()

    async def has(self, *subscriptions: WebhookSubscription) -> None:
        for subscription in subscriptions:
            await self.store.create(subscription.tenant_id, subscription)

    async def publish(self, *events: Event[EventData]) -> None:
        await self.bus.publish(*(to_message(event) for event in events), required=True)

    async def dead_letters(self, count: int) -> Sequence[Message]:
        async def all_there() -> list[Message]:
            letters = await self.bus.peek(self.queue.dead_letters)
            return letters if len(letters) >= count else []

        return await eventually(all_there, within_seconds=20)

    async def webhooks_leave_alone(self, webhook_id: str) -> None:
        """The listener has noted that the receiver asked for time."""

        async def is_left_alone() -> bool:
            return self.receivers.seconds_to_wait(A_TENANT, webhook_id) > 0

        await eventually(is_left_alone, within_seconds=20, every_seconds=0.01)

    async def is_done(self) -> None:
        """Nothing waits in the queue, now or for its next attempt, that a further event would not
        have overtaken.
        """

        async def empty() -> bool:
            return await self.bus.depth(self.queue.name) == 0

        await eventually(empty, within_seconds=20)


@pytest.fixture(params=["sqlite", "rabbitmq"])
async def consumer(
    request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[WebhookConsumer]:
    name = f"webhooks-{uuid4()}"
    on_rabbitmq = {"RABBITMQ_EXCHANGE": name, "RABBITMQ_WEBHOOKS_QUEUE": name}
    if request.param == "rabbitmq":
        on_rabbitmq["RABBITMQ_URL"] = request.getfixturevalue("rabbitmq").url
    settings = load_settings(
        {
            "ORCHESTRATOR_DATA_DIR": str(tmp_path),
            "WEBHOOK_RETRY_DELAYS_SECONDS": "0.1,0.1,0.1,0.1",
            **on_rabbitmq,
        }
    )
    async with (
        open_bus(settings, "test") as bus,
        SqliteRecordStore(tmp_path / "records.db") as store,
        OutgoingHttp(HostRules.of("127.0.0.1"), timeout_seconds=0.5) as http,
    ):
        consumer = WebhookConsumer(settings, bus, store)
        await bus.declare(consumer.queue)
        webhooks = Webhooks(store, bus, http, delays_of(settings.webhooks.retry_delays_seconds))
        consumer.receivers = webhooks.receivers
        async with bus.consume(consumer.queue, webhooks.handle):
            yield consumer


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


def a_request() -> Event[EventData]:
    data = HitlApprovalRequested(
        opportunity_id=new_id(), risk_score=0.9, amount=2_000_000, requested_at=now()
    )
    return Event(id=new_id(), tenant_id=A_TENANT, timestamp=now(), data=data)


def delivered(received: Sequence[Received]) -> list[str]:
    return [one.headers["x-orchestrator-delivery"] for one in received]


async def test_a_receiver_gets_an_event_in_the_documented_envelope(
    consumer: WebhookConsumer,
) -> None:
    event = a_decision()
    with a_receiver() as receiver:
        await consumer.has(a_webhook(url=receiver.url))
        await consumer.publish(event)
        [received] = await receiver.has_received(1)

    body = msgspec.json.decode(received.body)
    assert (event.id, "hitl.approval.completed", A_TENANT) == (
        body["id"],
        body["type"],
        body["tenantId"],
    )
    assert ("chief@customer.example", True) == (body["data"]["decidedBy"], body["data"]["approved"])
    assert "application/json" == received.headers["content-type"]
    assert (event.id, event.type) == (
        received.headers["x-orchestrator-delivery"],
        received.headers["x-orchestrator-event"],
    )


async def test_the_signature_is_made_with_the_secret_over_the_time_and_the_body(
    consumer: WebhookConsumer,
) -> None:
    with a_receiver() as receiver:
        await consumer.has(a_webhook(url=receiver.url, secret="whsec_mine"))
        await consumer.publish(a_decision())
        [received] = await receiver.has_received(1)

    seconds = received.headers["x-orchestrator-signature"].partition(",")[0].removeprefix("t=")
    expected = hmac.new(b"whsec_mine", f"{seconds}.".encode() + received.body, sha256).hexdigest()
    assert f"t={seconds},v1={expected}" == received.headers["x-orchestrator-signature"]
    assert abs(now().timestamp() - int(seconds)) < 60
    assert "whsec_mine" not in str(received)


async def test_a_delivery_that_fails_is_repeated_under_the_same_id_and_the_others_are_not(
    consumer: WebhookConsumer,
) -> None:
    event, last = a_decision(), a_decision()
    with (
        a_receiver() as well,
        a_receiver(GONE_WRONG, Answer(302, {"Location": "/"}), Answer(404), Answer()) as ill,
    ):
        await consumer.has(a_webhook(url=well.url), a_webhook(url=ill.url))
        await consumer.publish(event)
        assert [event.id] * 4 == delivered(await ill.has_received(4))
        await consumer.publish(last)
        assert [event.id, last.id] == delivered(await well.has_received(2))

    assert 0 == await consumer.bus.depth(consumer.queue.dead_letters)


@pytest.mark.parametrize(("status", "as_date"), [(429, False), (503, True)])
async def test_a_receiver_that_asks_for_time_is_sent_nothing_before_it_is_over(
    consumer: WebhookConsumer, status: int, as_date: bool
) -> None:
    first, second = a_decision(), a_decision()
    until = now().replace(microsecond=0) + timedelta(seconds=2)
    asks = Answer(status, {"Retry-After": format_datetime(until, usegmt=True) if as_date else "1"})
    with a_receiver(asks, Answer()) as receiver:
        webhook = a_webhook(url=receiver.url)
        await consumer.has(webhook)
        await consumer.publish(first)
        [asked] = await receiver.has_received(1)
        await consumer.webhooks_leave_alone(webhook.id)
        await consumer.publish(second)
        received = await receiver.has_received(3)

    over = until if as_date else asked.at + timedelta(seconds=1)
    assert [] == [one.at for one in received[1:] if one.at < over - timedelta(milliseconds=50)]
    assert {first.id, second.id} == set(delivered(received[1:]))
    assert 0 == await consumer.bus.depth(consumer.queue.dead_letters)


async def test_a_receiver_that_hangs_holds_up_no_other(consumer: WebhookConsumer) -> None:
    with a_receiver(Answer(after_seconds=2)) as hanging, a_receiver() as well:
        await consumer.has(
            a_webhook(url=hanging.url), a_webhook(url=well.url, tenant_id=ANOTHER_TENANT)
        )
        await consumer.publish(*(a_decision() for _ in range(100)))
        await hanging.has_received(AT_ONCE)
        await consumer.publish(a_decision(ANOTHER_TENANT))
        await well.has_received(1)
        assert len(hanging.received) < 100  # it would have been sent all of them first


async def test_while_a_secret_is_rotated_deliveries_carry_the_signatures_of_both(
    consumer: WebhookConsumer,
) -> None:
    with a_receiver() as receiver:
        webhook = a_webhook(url=receiver.url)
        await consumer.has(webhook)
        rotated = await change(
            *(consumer.store, A_TENANT, webhook.id, WebhookChange(rotate_secret=True)),
            HostRules.of(receiver.authority),
        )
        await consumer.publish(a_decision())
        [received] = await receiver.has_received(1)

    signed = received.headers["x-orchestrator-signature"]
    seconds = signed.partition(",")[0].removeprefix("t=")
    both = [
        hmac.new(secret.encode(), f"{seconds}.".encode() + received.body, sha256).hexdigest()
        for secret in (rotated.secret, webhook.secret)
    ]
    assert rotated.secret != webhook.secret
    assert f"t={seconds},v1={both[0]},v1={both[1]}" == signed


async def test_every_attempt_has_a_new_signature(consumer: WebhookConsumer) -> None:
    with a_receiver(GONE_WRONG, Answer()) as receiver:
        await consumer.has(a_webhook(url=receiver.url))
        await consumer.publish(a_decision())
        first, second = await receiver.has_received(2)

    assert first.body == second.body
    for attempt in (first, second):
        assert attempt.headers["x-orchestrator-signature"].startswith("t=")


@pytest.mark.parametrize(
    "answer",
    [GONE_WRONG, Answer(301, {"Location": "http://127.0.0.1/"}), Answer(after_seconds=0.7)],
)
async def test_after_five_attempts_a_delivery_is_a_dead_letter(
    consumer: WebhookConsumer, answer: Answer
) -> None:
    with a_receiver(answer) as receiver:
        webhook = a_webhook(url=receiver.url)
        await consumer.has(webhook)
        await consumer.publish(a_decision())
        [letter] = await consumer.dead_letters(1)

    assert 5 == len(receiver.received)
    assert rejections.WEBHOOK_FAILED == letter.headers["x-reject-code"]
    assert webhook.id in letter.headers["x-reject-reason"]


async def test_an_address_inside_is_refused_at_once_and_is_a_dead_letter(
    consumer: WebhookConsumer,
) -> None:
    with a_receiver() as receiver:
        inside = a_webhook(url=f"https://localhost:{receiver.port}/services/secret-path")
        await consumer.has(inside, a_webhook(url=receiver.url))
        await consumer.publish(a_decision())
        [letter] = await consumer.dead_letters(1)
        await receiver.has_received(1)

    assert rejections.WEBHOOK_REFUSED == letter.headers["x-reject-code"]
    assert 1 == len(receiver.received)
    assert "secret" not in letter.headers["x-reject-reason"]


async def test_a_receiver_gets_what_it_asked_for_and_of_its_tenant_only(
    consumer: WebhookConsumer,
) -> None:
    wanted = a_decision()
    with a_receiver() as receiver:
        await consumer.has(
            a_webhook(url=receiver.url, event_types=["hitl.approval.completed"]),
            a_webhook(url=receiver.url, active=False),
            a_webhook(
                url=receiver.url, tenant_id=ANOTHER_TENANT, event_types=["hitl.approval.escalated"]
            ),
        )
        await consumer.publish(a_request(), a_decision(ANOTHER_TENANT), wanted)
        assert [wanted.id] == delivered(await receiver.has_received(1))
        await consumer.is_done()
        assert 1 == len(receiver.received)


async def test_a_receiver_that_is_gone_for_good_gets_no_more(consumer: WebhookConsumer) -> None:
    with a_receiver(Answer(410)) as receiver:
        webhook = a_webhook(url=receiver.url)
        await consumer.has(webhook)
        await consumer.publish(a_decision())

        async def inactive() -> bool:
            return not (
                await consumer.store.read(A_TENANT, WebhookSubscription, webhook.id)
            ).record.active

        await eventually(inactive)
        await consumer.publish(a_decision())
        await consumer.is_done()

    assert 1 == len(receiver.received)


async def test_a_removed_webhook_is_not_tried_again(consumer: WebhookConsumer) -> None:
    with a_receiver(GONE_WRONG) as receiver:
        webhook = a_webhook(url=receiver.url)
        await consumer.has(webhook)
        await consumer.publish(a_decision())
        await receiver.has_received(1)
        await consumer.store.delete(A_TENANT, WebhookSubscription, webhook.id)
        await consumer.publish(a_decision())
        await consumer.is_done()

    assert len(receiver.received) < 5
    assert 0 == await consumer.bus.depth(consumer.queue.dead_letters)


async def test_no_secret_and_no_path_is_in_the_log(
    consumer: WebhookConsumer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")

    async def has_logged_the_delivery() -> bool:
        return "delivered to webhook" in caplog.text

    with a_receiver(GONE_WRONG, Answer()) as receiver:
        url = receiver.url.replace("hook?team=sales", "services/T0/canary-path")
        await consumer.has(a_webhook(url=url, secret="whsec_canary"))
        await consumer.publish(a_decision())
        await receiver.has_received(2)
        # The receiver has the request before the consumer has the answer.
        await eventually(has_logged_the_delivery, within_seconds=60)

    assert "canary" not in caplog.text


@pytest.mark.long
async def test_a_delivery_survives_the_death_of_its_listener(tmp_path: Path) -> None:
    event = a_decision()
    with a_receiver(GONE_WRONG, Answer()) as receiver:
        environment = {
            **{
                name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")
            },
            "ORCHESTRATOR_DATA_DIR": str(tmp_path),
            # it delivers without Prefect, too
            "PREFECT_API_URL": f"http://127.0.0.1:{free_port()}/api",
            "WEBHOOK_ALLOWED_HOSTS": receiver.authority,
            "WEBHOOK_RETRY_DELAYS_SECONDS": "2",
        }
        settings = load_settings(environment)
        await provision(settings)
        async with open_store(settings) as store:
            await store.create(A_TENANT, a_webhook(url=receiver.url))
        listener = Process("listener", environment, tmp_path / "listener.log")
        listener.start()
        try:
            async with open_bus(settings, "test") as bus:
                await bus.publish(to_message(event), required=True)
            await receiver.has_received(1)
            listener.kill()
            listener.start()
            assert [event.id] * 2 == delivered(await receiver.has_received(2))
            assert 0 == listener.stop()
        finally:
            listener.kill()

    assert [] == [
        line for line in listener.log.splitlines() if "hook?team=sales" in line or "whsec" in line
    ]
