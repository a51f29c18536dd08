"""Notifications through a communications hub and a mail server that work, fail and hang."""

import asyncio
import logging
import multiprocessing
import ssl
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
import trustme

from blocks.adapters.sqlite.record_store import SqliteRecordStore
from blocks.clock import utc_now
from blocks.contracts import ids
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.records import NotificationRecord
from blocks.notifications import Kind, Message, NotDelivered, Sent, Withheld, notifier, notify
from blocks.notifications.message import CRITICAL
from blocks.notifications.notifier import HOLD, KEPT, forget_old_notifications
from blocks.observability.redaction import secrets_of
from blocks.ports import RecordStore
from blocks.processes.retries import Retries
from blocks.settings import BadSetting, Notifications, load_settings
from tests.support.metrics import Gain
from tests.support.notifications.comms_hub import CommsHub, comms_hub
from tests.support.notifications.mail_server import PASSWORD, USER, MailServer, mail_server
from tests.support.servers.canned_http import answer, canned_http
from tests.support.servers.ports import free_port
from tests.support.stores import Meanwhile

AT_ONCE = Retries(first_wait_seconds=0, jitter_seconds=0, wait_seconds_max=10)
OPERATORS = "operators@platform.example"
SENDER = "orchestrator@platform.example"

BACKUP_FAILED = Message(subject="Backup failed", body="database shop: disk full", priority=7)


def settings_of(**variables: object) -> Notifications:
    named = {"ALERT_EMAIL": OPERATORS, **{name: str(value) for name, value in variables.items()}}
    return load_settings(named).notifications


def with_hub(hub: CommsHub, **variables: object) -> Notifications:
    return settings_of(COMMS_HUB_URL=hub.url, **variables)


def with_mail(server: MailServer, **variables: object) -> Notifications:
    url = f"smtp://127.0.0.1:{server.port}"
    return settings_of(SMTP_URL=url, NOTIFICATIONS_SENDER=SENDER, **variables)


async def send(
    store: RecordStore,
    settings: Notifications,
    message: Message = BACKUP_FAILED,
    *,
    key: str = "backup",
    kind: Kind = "news",
    state: str = "",
    trust: ssl.SSLContext | None = None,
) -> Sent | Withheld:
    return await notify(
        store, settings, message, key=key, kind=kind, state=state, retries=AT_ONCE, trust=trust
    )


@pytest.fixture
def hub() -> Iterator[CommsHub]:
    with comms_hub() as hub:
        yield hub


@pytest.fixture
def mails() -> Iterator[MailServer]:
    with mail_server() as server:
        yield server


# --- the communications hub -----------------------------------------------------------------------


async def test_the_hub_takes_a_message_as_it_documents_them(
    store: RecordStore, hub: CommsHub
) -> None:
    sent = await send(store, with_hub(hub))

    assert isinstance(sent, Sent)
    assert {
        "notified": True,
        "messageId": "msg-1",
        "channel": "email",
        "recipient": OPERATORS,
        "transport": "comms-hub",
    } == sent.figures
    assert [
        {
            "channel": "email",
            "recipient": OPERATORS,
            "subject": "Backup failed",
            "body": "database shop: disk full",
            "priority": 7,
            "metadata": {"source": "workflow-orchestrator"},
        }
    ] == hub.messages


async def test_what_the_hub_refuses_is_not_sent_again(store: RecordStore, hub: CommsHub) -> None:
    with pytest.raises(NotDelivered, match="comms-hub: it answered 400: recipient and body"):
        await send(store, with_hub(hub), Message(subject="", body=""))

    assert 1 == len(hub.keys)


@pytest.mark.parametrize("status", [500, 503, 429, 408])
async def test_an_attempt_that_fails_is_repeated_under_the_same_key(
    store: RecordStore, hub: CommsHub, status: int
) -> None:
    hub.failures = [status, status]
    failed = Gain("workflow_orchestrator_notification_attempts_failed_total", transport="comms-hub")

    assert isinstance(await send(store, with_hub(hub)), Sent)
    assert (3, 1, 1) == (len(hub.keys), len(set(hub.keys)), len(hub.messages))
    assert 2 == failed()


async def test_after_all_attempts_it_is_not_delivered_and_the_next_call_tries_again(
    store: RecordStore, hub: CommsHub
) -> None:
    hub.failures = [500] * 3
    with pytest.raises(NotDelivered, match="comms-hub: it answered 500"):
        await send(store, with_hub(hub))

    assert isinstance(await send(store, with_hub(hub)), Sent)
    assert 1 == len(set(hub.keys))


@pytest.mark.parametrize(
    ("canned", "reason"),
    [
        (answer(b"<html>", "302 Found", "location: http://127.0.0.1/\r\n"), "it answered 302"),
        (answer(b'{"success": false, "error": "no quota"}', "201 Created"), "declined: no quota"),
        (b"not http at all\r\n\r\n", "it cannot be reached"),
        (answer(b'{"error": "token=abcdef1234567"}', "400 Bad Request"), r"400: token=\*\*\*"),
    ],
)
async def test_an_odd_answer_is_a_reason(store: RecordStore, canned: bytes, reason: str) -> None:
    async with canned_http(canned) as (_, url):
        with pytest.raises(NotDelivered, match=reason):
            await send(store, settings_of(COMMS_HUB_URL=url))


async def test_an_answer_that_states_no_id_counts_by_its_status(store: RecordStore) -> None:
    async with canned_http(answer(b"[" * 100_000, "201 Created")) as (_, url):
        sent = await send(store, settings_of(COMMS_HUB_URL=url))

    assert isinstance(sent, Sent)
    assert ids.notification_id("backup", 0) == sent.message_id


async def test_a_hub_that_hangs_is_given_up(
    store: RecordStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("blocks.notifications.comms_hub.ATTEMPT_SECONDS", 0.1)
    hanging = await asyncio.start_server(lambda *_: asyncio.sleep(0), "127.0.0.1", 0)
    async with hanging:
        url = f"http://127.0.0.1:{hanging.sockets[0].getsockname()[1]}"
        with pytest.raises(NotDelivered, match="it did not answer within"):
            await send(store, settings_of(COMMS_HUB_URL=url))


# --- mail -----------------------------------------------------------------------------------------


async def test_without_a_hub_mail_is_sent_as_text_and_page(
    store: RecordStore, mails: MailServer
) -> None:
    message = Message(
        subject="Digest\nBcc: x@y.example",
        body="Two runs failed.",
        html="<p>Two runs failed.</p>",
        recipient="ann@shop.example",
        priority=CRITICAL,
    )

    sent = await send(store, with_mail(mails), message)

    assert isinstance(sent, Sent)
    assert ("smtp", "ann@shop.example") == (sent.transport, sent.recipient)
    [mail] = mails.mails
    assert ("orchestrator@platform.example", "ann@shop.example", r"Digest\nBcc: x@y.example") == (
        mail["From"],
        mail["To"],
        mail["Subject"],
    )
    assert (f"<{sent.message_id}@platform.example>", "1", None) == (
        mail["Message-ID"],
        mail["X-Priority"],
        mail["Bcc"],
    )
    text, page = mail.get_body(("plain",)), mail.get_body(("html",))
    assert text
    assert page
    assert ("Two runs failed.", "<p>Two runs failed.</p>") == (
        text.get_content().rstrip(),
        page.get_content().rstrip(),
    )


async def test_a_mailbox_that_is_busy_is_tried_again_and_an_unknown_one_is_not(
    store: RecordStore, mails: MailServer
) -> None:
    mails.refusals = ["450 try again later"]
    assert isinstance(await send(store, with_mail(mails)), Sent)

    mails.refusals = ["550 no such user", "550 no such user"]
    with pytest.raises(NotDelivered, match="smtp: it answered 550 no such user"):
        await send(store, with_mail(mails), key="another")
    assert (1, 1) == (len(mails.mails), len(mails.refusals))


@pytest.mark.parametrize("recipient", ["ann", "a@b.example, c@d.example", "a@b.example\nBcc: c"])
async def test_who_has_no_address_gets_no_mail(
    store: RecordStore, mails: MailServer, recipient: str
) -> None:
    with pytest.raises(NotDelivered, match="the recipient is no e-mail address"):
        await send(store, with_mail(mails), Message(subject="x", body="x", recipient=recipient))


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def private_mails(authority: trustme.CA) -> Iterator[MailServer]:
    """After STARTTLS, for its one user."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    with mail_server(tls) as server:
        yield server


def with_login(server: MailServer, password: str = PASSWORD) -> Notifications:
    url = f"smtp://{USER}:{quote(password, safe='')}@127.0.0.1:{server.port}"
    return settings_of(SMTP_URL=url, NOTIFICATIONS_SENDER=SENDER)


async def test_a_login_goes_over_tls(
    store: RecordStore, private_mails: MailServer, authority: trustme.CA
) -> None:
    trust = ssl.create_default_context()
    authority.configure_trust(trust)

    assert isinstance(await send(store, with_login(private_mails), trust=trust), Sent)
    assert [True] == private_mails.over_tls


async def test_a_wrong_password_is_refused_and_shown_nowhere(
    store: RecordStore,
    private_mails: MailServer,
    authority: trustme.CA,
    caplog: pytest.LogCaptureFixture,
) -> None:
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    settings = with_login(private_mails, "wrong-pass-4711")

    with caplog.at_level(logging.DEBUG), pytest.raises(NotDelivered, match="535") as refused:
        await send(store, settings, trust=trust)

    assert "wrong-pass-4711" not in f"{refused.value}{caplog.text}{settings!r}"
    assert {"wrong-pass-4711"} == set(secrets_of(settings))


async def test_a_server_of_an_unknown_authority_gets_no_login(
    store: RecordStore, private_mails: MailServer
) -> None:
    with pytest.raises(NotDelivered, match="smtp: "):
        await send(store, with_login(private_mails))

    assert [] == private_mails.mails


async def test_a_login_is_not_sent_to_a_server_without_tls(
    store: RecordStore, mails: MailServer
) -> None:
    with pytest.raises(NotDelivered, match=r"smtp: .*STARTTLS"):
        await send(store, with_login(mails))

    assert [] == mails.mails


async def test_mail_is_the_way_when_the_hub_fails(store: RecordStore, mails: MailServer) -> None:
    settings = with_mail(mails, COMMS_HUB_URL=f"http://127.0.0.1:{free_port()}")

    sent = await send(store, settings)

    assert isinstance(sent, Sent)
    assert ("smtp", 1) == (sent.transport, len(mails.mails))


async def test_both_reasons_are_stated_when_both_fail(store: RecordStore) -> None:
    settings = settings_of(
        COMMS_HUB_URL=f"http://127.0.0.1:{free_port()}",
        SMTP_URL=f"smtp://127.0.0.1:{free_port()}",
        NOTIFICATIONS_SENDER=SENDER,
    )

    with pytest.raises(NotDelivered, match=r"comms-hub: it cannot.*; smtp: it cannot be reached"):
        await send(store, settings)


# --- nothing to send with -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variables", "channel", "reason"),
    [
        ({}, "email", "COMMS_HUB_URL or SMTP_URL is not set"),
        ({"SMTP_URL": "smtp://mail", "NOTIFICATIONS_SENDER": SENDER}, "sms", "COMMS_HUB_URL is"),
        ({"COMMS_HUB_URL": "http://hub", "ALERT_EMAIL": ""}, "email", "ALERT_EMAIL is not set"),
    ],
)
async def test_what_is_not_configured_is_skipped_with_the_reason(
    store: RecordStore, variables: dict[str, str], channel: str, reason: str
) -> None:
    message = msgspec.convert({"subject": "x", "body": "x", "channel": channel}, Message)

    withheld = await send(store, settings_of(**variables), message)

    assert isinstance(withheld, Withheld)
    assert reason in withheld.reason
    assert (False, True) == (withheld.is_configured, withheld.figures["skipped"])


@pytest.mark.parametrize(
    ("variables", "problem"),
    [
        ({"SMTP_URL": "smtp://mail"}, "NOTIFICATIONS_SENDER"),
        ({"SMTP_URL": "mail:25"}, "SMTP_URL"),
        ({"ALERT_EMAIL": "ann@x.example,ben@x.example"}, "ALERT_EMAIL"),
        ({"COMMS_HUB_URL": "http://user:secret@hub"}, "COMMS_HUB_URL"),
    ],
)
def test_settings_that_cannot_work_are_refused(variables: dict[str, str], problem: str) -> None:
    with pytest.raises(BadSetting, match=problem):
        settings_of(**variables)


# --- once -----------------------------------------------------------------------------------------


async def test_news_is_sent_once(store: RecordStore, hub: CommsHub) -> None:
    await send(store, with_hub(hub))

    again = await send(store, with_hub(hub))

    assert isinstance(again, Withheld)
    assert again.is_configured
    assert again.reason.startswith("it was sent at 20")
    assert 1 == len(hub.messages)


async def test_of_many_at_once_one_sends(store: RecordStore, hub: CommsHub) -> None:
    outcomes = await asyncio.gather(*(send(store, with_hub(hub)) for _ in range(20)))

    assert (1, 1) == (len(hub.messages), sum(isinstance(one, Sent) for one in outcomes))


def send_in_a_process(file: Path, url: str, begin: float) -> None:
    async def sent() -> None:
        async with SqliteRecordStore(file) as store:
            await asyncio.sleep(max(0, begin - utc_now().timestamp()))
            await send(store, settings_of(COMMS_HUB_URL=url))

    asyncio.run(sent())


async def test_of_many_processes_one_sends(
    store: RecordStore, hub: CommsHub, tmp_path: Path
) -> None:
    spawn = multiprocessing.get_context("spawn")
    given = (tmp_path / "records.db", hub.url, utc_now().timestamp() + 4)
    processes = [spawn.Process(target=send_in_a_process, args=given) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        await asyncio.to_thread(process.join, 60)

    assert [0, 0, 0] == [process.exitcode for process in processes]
    assert 1 == len(hub.messages)


async def test_what_a_process_died_over_is_sent_by_the_next_under_the_same_id(
    store: RecordStore, hub: CommsHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifier, "HOLD", timedelta(seconds=1))
    dead = NotificationRecord(
        id=ids.notification_id("backup"),
        tenant_id=SYSTEM_TENANT,
        created_at=utc_now(),
        key="backup",
        held_until=utc_now() + timedelta(seconds=0.5),
    )
    await store.create(SYSTEM_TENANT, dead)
    waits = Gain("workflow_orchestrator_notification_wait_seconds_count")

    assert isinstance(await send(store, with_hub(hub)), Sent)
    assert [ids.notification_id("backup", 0)] == hub.keys
    assert 1 == waits()


async def test_a_call_that_is_cancelled_leaves_the_key_to_the_next(
    store: RecordStore, hub: CommsHub
) -> None:
    reached = asyncio.Event()

    async def hang(*_: object) -> None:
        reached.set()

    hanging = await asyncio.start_server(hang, "127.0.0.1", 0)
    async with hanging:
        url = f"http://127.0.0.1:{hanging.sockets[0].getsockname()[1]}"
        sending = asyncio.create_task(send(store, settings_of(COMMS_HUB_URL=url)))
        await reached.wait()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending

    assert isinstance(await send(store, with_hub(hub)), Sent)


# --- problems -------------------------------------------------------------------------------------


async def test_a_problem_that_stands_is_repeated_only_after_the_span(
    store: RecordStore, hub: CommsHub
) -> None:
    quiet, loud = with_hub(hub), with_hub(hub, NOTIFICATIONS_REPEAT_HOURS="0.000001")
    await send(store, quiet, kind="problem", state="web")
    withheld = await send(store, quiet, kind="problem", state="web")

    assert isinstance(withheld, Withheld)
    assert "is repeated after 24 h" in withheld.reason
    await asyncio.sleep(0.01)
    assert isinstance(await send(store, loud, kind="problem", state="web"), Sent)
    assert (2, 2) == (len(hub.messages), len(set(hub.keys)))


async def test_a_problem_whose_state_is_another_is_notified_of_at_once(
    store: RecordStore, hub: CommsHub
) -> None:
    await send(store, with_hub(hub), kind="problem", state="web")

    assert isinstance(await send(store, with_hub(hub), kind="problem", state="web,api"), Sent)
    assert 2 == len(hub.messages)


async def test_the_all_clear_is_sent_once_and_the_next_problem_at_once(
    store: RecordStore, hub: CommsHub
) -> None:
    settings, clear = with_hub(hub), Message(subject="All is well", body="web works again")
    assert isinstance(await send(store, settings, clear, kind="all-clear"), Withheld)
    await send(store, settings, kind="problem")

    assert isinstance(await send(store, settings, clear, kind="all-clear"), Sent)
    assert isinstance(await send(store, settings, clear, kind="all-clear"), Withheld)
    assert isinstance(await send(store, settings, kind="problem"), Sent)
    assert ["Backup failed", "All is well", "Backup failed"] == [
        message["subject"] for message in hub.messages
    ]


async def test_the_all_clear_of_a_problem_that_was_never_delivered_is_not_sent(
    store: RecordStore, hub: CommsHub
) -> None:
    hub.failures = [500] * 3
    with pytest.raises(NotDelivered):
        await send(store, with_hub(hub), kind="problem")

    assert isinstance(await send(store, with_hub(hub), kind="all-clear"), Withheld)
    assert [] == hub.messages


async def test_old_news_is_forgotten_and_what_stands_is_not(
    store: RecordStore, hub: CommsHub
) -> None:
    await send(store, with_hub(hub), key="recent")
    for key, stands in (("old", False), ("standing", True)):
        old = NotificationRecord(
            id=ids.notification_id(key),
            tenant_id=SYSTEM_TENANT,
            created_at=utc_now() - KEPT - timedelta(days=1),
            sent_at=utc_now() - KEPT - timedelta(hours=1),
            key=key,
            stands=stands,
        )
        await store.create(SYSTEM_TENANT, old)

    assert 1 == await forget_old_notifications(store)
    assert 2 == await store.count(SYSTEM_TENANT, NotificationRecord)


async def old_news(store: RecordStore, **changes: Any) -> NotificationRecord:
    record = NotificationRecord(
        id=ids.notification_id("old"),
        tenant_id=SYSTEM_TENANT,
        created_at=utc_now() - KEPT - timedelta(days=1),
        key="old",
    )
    return (await store.create(SYSTEM_TENANT, msgspec.structs.replace(record, **changes))).record


async def test_what_is_just_being_sent_is_not_forgotten(store: RecordStore) -> None:
    await old_news(store, held_until=utc_now() + HOLD)

    assert 0 == await forget_old_notifications(store)


async def test_what_is_sent_while_it_is_being_forgotten_is_known_to_be_sent(
    store: RecordStore, hub: CommsHub
) -> None:
    await old_news(store)
    sent = partial(send, store, with_hub(hub), key="old")
    meanwhile = Meanwhile(store, "query", NotificationRecord, sent)

    assert 0 == await forget_old_notifications(meanwhile)

    assert isinstance(await sent(), Withheld)
