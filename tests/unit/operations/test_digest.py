"""The digest: what is collected from the log, for whom, and that each gets it once."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from blocks.clock import utc_now
from blocks.contracts.events import JsonObject
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.records.operations import EventRecord
from blocks.notifications.transports import Retries
from blocks.operations.digest import collect, compile_digests, send_digests
from blocks.operations.digest.notices import notice_in
from blocks.operations.digest.sending import NOTICES_MAX, DigestsFailed
from blocks.operations.work import NotConfigured
from blocks.ports import RecordStore
from blocks.settings import Settings, load_settings
from tests.support.notifications.comms_hub import CommsHub, comms_hub
from tests.support.notifications.mail_server import MailServer, mail_server

ANN, BEN = "ann@shop.example", "ben@shop.example"


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    quick = Retries(first_wait_seconds=0, jitter_seconds=0)
    monkeypatch.setattr("blocks.notifications.notifier.Retries", lambda: quick)


@pytest.fixture
def mails() -> Iterator[MailServer]:
    with mail_server() as server:
        yield server


@pytest.fixture
def hub() -> Iterator[CommsHub]:
    with comms_hub() as hub:
        yield hub


def by_mail(mails: MailServer) -> Settings:
    return load_settings(
        {
            "SMTP_URL": f"smtp://127.0.0.1:{mails.port}",
            "NOTIFICATIONS_SENDER": "orchestrator@shop.example",
        }
    )


def by_hub(hub: CommsHub) -> Settings:
    return load_settings({"COMMS_HUB_URL": hub.url})


def an_event(
    payload: Any, *, ago: timedelta = timedelta(hours=1), event_type: str = "notification.created"
) -> EventRecord:
    id, at = str(uuid4()), utc_now() - ago
    return EventRecord(
        id=id,
        tenant_id=SYSTEM_TENANT,
        created_at=at,
        event_id=id,
        event_type=event_type,
        payload=payload,
        occurred_at=at,
        source="shop",
        digest="",
    )


async def notified(store: RecordStore, *payloads: Any, **given: Any) -> None:
    for payload in payloads:
        await store.create(SYSTEM_TENANT, an_event(payload, **given))


async def digested(store: RecordStore, settings: Settings) -> JsonObject:
    """The results of all steps in one object, as a run has them."""
    found = await collect(store, settings)
    found |= await compile_digests(store, settings, found)
    return found | await send_digests(store, settings, found)


def recipients(mails: MailServer) -> list[str]:
    return sorted(mail["To"] for mail in mails.mails)


async def test_every_user_gets_one_mail_with_theirs_as_text_and_page(
    store: RecordStore, mails: MailServer
) -> None:
    link = "https://shop.example/7?a=1&b=2"
    await notified(
        store,
        {"email": ANN, "title": "First <b>", "body": "one\ntwo", "url": link},
        ago=timedelta(hours=3),
    )
    await notified(
        store,
        {"email": ANN.upper(), "title": "Second", "url": "javascript:alert(1)"},
        {"recipient": BEN, "message": "Only a body"},
    )

    found = await digested(store, by_mail(mails))

    assert (3, True, 2, 2, 0) == (
        found["notificationsCollected"],
        found["digestCompiled"],
        found["users"],
        found["digestsSent"],
        found["digestsRefused"],
    )
    [to_ann] = [mail for mail in mails.mails if mail["To"].lower() == ANN]
    text, page = to_ann.get_body(("plain",)), to_ann.get_body(("html",))
    assert text
    assert page
    shown, html = text.get_content(), page.get_content()
    assert "Your notifications: 2" == to_ann["Subject"]
    assert shown.index("First <b>") < shown.index("  two") < shown.index("Second")
    assert "First &lt;b&gt;" in html
    assert 'href="https://shop.example/7?a=1&amp;b=2"' in html
    assert "javascript" not in shown + html
    assert "Only a body" not in shown


async def test_what_was_sent_is_not_sent_again_and_what_came_since_is(
    store: RecordStore, mails: MailServer
) -> None:
    settings = by_mail(mails)
    await notified(store, {"email": ANN, "title": "First"})
    await digested(store, settings)
    again = await digested(store, settings)
    assert (0, False, 0) == (
        again["notificationsCollected"],
        again["digestCompiled"],
        again["digestsSent"],
    )

    await notified(store, {"email": ANN, "title": "A moment ago"}, ago=timedelta(0))
    just_now = await digested(store, settings)

    assert [ANN] == recipients(mails)
    assert just_now["since"] == again["until"]


async def test_a_step_that_was_interrupted_sends_no_one_a_second_mail(
    store: RecordStore, mails: MailServer
) -> None:
    settings = by_mail(mails)
    await notified(store, {"email": ANN, "title": "x"}, {"email": BEN, "title": "x"})
    found = await collect(store, settings)
    await send_digests(store, settings, found)

    repeated = await send_digests(store, settings, found)

    assert (0, 2) == (repeated["digestsSent"], repeated["digestsSentBefore"])
    assert [ANN, BEN] == recipients(mails)


async def test_a_span_that_was_not_sent_to_everyone_is_sent_to_the_others_by_the_next_run(
    store: RecordStore, hub: CommsHub
) -> None:
    settings = by_hub(hub)
    await notified(store, {"email": ANN, "title": "x"}, {"email": BEN, "title": "x"})
    first = await collect(store, settings)
    hub.out_of_reach = {BEN}
    with pytest.raises(DigestsFailed, match="1 of 2 digests: comms-hub: it answered 503"):
        await send_digests(store, settings, first)
    hub.out_of_reach = set()
    await notified(store, {"email": ANN, "title": "later"}, ago=timedelta(minutes=20))

    second = await digested(store, settings)
    third = await digested(store, settings)

    assert (first["since"], first["until"]) == (second["since"], second["until"])
    assert second["until"] == third["since"]
    assert (1, 1) == (second["digestsSent"], second["digestsSentBefore"])
    assert [ANN, BEN] == [message["recipient"] for message in hub.messages]


async def test_an_address_that_is_refused_for_good_holds_no_one_up(
    store: RecordStore, mails: MailServer
) -> None:
    settings = by_mail(mails)
    await notified(store, {"email": ANN, "title": "x"}, {"email": BEN, "title": "x"})
    mails.refusals = ["550 no such user"]

    found = await digested(store, settings)

    assert (1, 1) == (found["digestsSent"], found["digestsRefused"])
    assert 0 == (await digested(store, settings))["users"]


async def test_of_very_many_the_newest_are_shown_and_the_others_counted(
    store: RecordStore, mails: MailServer
) -> None:
    for number in range(NOTICES_MAX + 20):
        ago = timedelta(hours=2) - timedelta(seconds=number)
        await notified(store, {"email": ANN, "title": f"number {number:03}"}, ago=ago)

    await digested(store, by_mail(mails))

    [mail] = mails.mails
    text = mail.get_body(("plain",))
    assert text
    assert "Your notifications: 120" == mail["Subject"]
    assert "20 older ones are left out." in text.get_content()
    assert ("number 019" in text.get_content(), "number 020" in text.get_content()) == (
        False,
        True,
    )


async def test_other_events_are_not_collected(store: RecordStore, mails: MailServer) -> None:
    await notified(store, {"email": ANN, "title": "x"}, event_type="user.registered")
    await notified(store, {"email": ANN, "title": "x"}, ago=timedelta(days=2))

    assert 0 == (await collect(store, by_mail(mails)))["notificationsCollected"]


@pytest.mark.parametrize(
    "payload",
    [
        *(None, [], "text", {}),
        *({"email": ANN}, {"title": "x"}, {"email": ANN, "title": {"a": 1}}),
        {"email": "no address", "title": "x"},
        {"email": f"{ANN}\nBcc: x@y.example", "title": "x"},
    ],
)
def test_what_names_no_one_or_nothing_is_no_notification(payload: Any) -> None:
    assert notice_in(an_event(payload)) is None


async def test_what_cannot_be_read_is_counted(store: RecordStore, mails: MailServer) -> None:
    await notified(store, {"title": "no address"}, {"email": ANN, "title": "x"})

    found = await digested(store, by_mail(mails))

    assert (2, 1, 1) == (
        found["notificationsCollected"],
        found["unreadable"],
        found["digestsSent"],
    )


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({}, "COMMS_HUB_URL or SMTP_URL is not set"),
        ({"COMMS_HUB_URL": "http://hub", "NOTIFICATION_DIGEST_COLLECTS": ","}, "names no events"),
    ],
)
async def test_what_is_not_configured_is_skipped_and_nothing_is_lost(
    store: RecordStore, mails: MailServer, variables: dict[str, str], reason: str
) -> None:
    await notified(store, {"email": ANN, "title": "x"})
    settings = load_settings(variables)
    with pytest.raises(NotConfigured, match=reason):
        await collect(store, settings)
    for step in (compile_digests, send_digests):
        with pytest.raises(NotConfigured, match="nothing was collected"):
            await step(store, settings, {"triggeredBy": "scheduler"})

    assert 1 == (await digested(store, by_mail(mails)))["digestsSent"]
