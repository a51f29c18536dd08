"""The digest of notifications: from records and a service, to a mail server that takes it."""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from email.message import EmailMessage
from functools import partial
from typing import Any

import pytest

from blocks.contracts import ids
from blocks.contracts.approvals import ApprovalPolicy, Approvers, Decision, Question
from blocks.contracts.events import JsonObject
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.records.operations import EventRecord
from blocks.operations import digests
from blocks.operations.digests import DigestsFailed, collecting, window
from blocks.operations.digests.collecting import ITEMS_MAX
from blocks.operations.digests.sending import FAILURES_MAX
from blocks.operations.http import ServiceFailed
from blocks.operations.work import NotConfigured
from blocks.ports import RecordStore
from blocks.processes.retries import Retries
from blocks.settings import BadSetting, Settings, load_settings
from tests.support.factories import (
    A_TENANT,
    ANOTHER_TENANT,
    a_tenant_record,
    an_approval,
    an_execution,
    now,
)
from tests.support.notifications.mail_server import MailServer, mail_server
from tests.support.operations.web import Asked, Reply, WebService, web_service

AT_ONCE = Retries(first_wait_seconds=0, jitter_seconds=0, wait_seconds_max=10)

ANN, BO, ADMIN = "ann@shop.example", "bo@shop.example", "admin@shop.example"


@pytest.fixture(autouse=True)
def _up_to_now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window, "MARGIN", timedelta(0))


@pytest.fixture
def mails() -> Iterator[MailServer]:
    with mail_server() as server:
        yield server


class Platform:
    """A service with notifications, and the directory of users."""

    def __init__(self) -> None:
        self.notices: Any = []
        self.service: WebService

    def answer(self, asked: Asked) -> Reply:
        if asked.path == "/users/u-ann":
            return Reply(content={"email": ANN})
        if asked.path.startswith("/users/"):
            return Reply(status=404)
        return Reply(content=self.notices)


@pytest.fixture
def platform() -> Iterator[Platform]:
    platform = Platform()
    with web_service(platform.answer) as platform.service:
        yield platform


@pytest.fixture
def settings(mails: MailServer, platform: Platform) -> Settings:
    return load_settings(
        {
            "SMTP_URL": f"smtp://127.0.0.1:{mails.port}",
            "NOTIFICATIONS_SENDER": "orchestrator@platform.example",
            "NOTIFICATION_DIGEST_SOURCE_URL": f"{platform.service.url}/notices",
            "NOTIFICATION_DIGEST_DIRECTORY_URL": f"{platform.service.url}/users/{{userId}}",
            "NOTIFICATION_DIGEST_ADMINS": f"{A_TENANT}={ADMIN}",
            "PUBLIC_URL": "https://orchestrator.example",
        }
    )


@pytest.fixture
async def store(store: RecordStore) -> RecordStore:
    for tenant in (A_TENANT, ANOTHER_TENANT):
        await store.create(SYSTEM_TENANT, a_tenant_record(id=tenant, tenant=tenant))
    return store


async def send(store: RecordStore, settings: Settings, collected: JsonObject) -> JsonObject:
    return await digests.send_all(store, settings.notifications, collected, AT_ONCE)


async def digest(store: RecordStore, settings: Settings) -> JsonObject:
    """The figures of collection, once the digest is sent."""
    collected = await digests.collect(store, settings)
    await digests.compile_all(store, collected)
    await send(store, settings, collected)
    return collected


async def wait_for(store: RecordStore, *users: str, **changes: Any) -> None:
    policy = ApprovalPolicy(approvers=Approvers(users=users))
    approval = an_approval(policy=policy, workflow="opportunity-analysis", **changes)
    await store.create(approval.tenant_id, approval)


async def fail(store: RecordStore, **changes: Any) -> None:
    ended = {"status": "failed", "completed_at": now(), "error": "the forecast is away"}
    execution = an_execution(**ended | changes)
    await store.create(execution.tenant_id, execution)


def text_of(mail: EmailMessage, kind: str = "plain") -> str:
    part = mail.get_body((kind,))
    assert part
    content: str = part.get_content()
    return content.replace("\r\n", "\n")


async def test_each_user_gets_one_mail_with_all_that_concerns_them(
    store: RecordStore, settings: Settings, mails: MailServer, platform: Platform
) -> None:
    platform.notices = [
        {"title": "Invoice 7", "body": "is due", "url": "https://shop.example/7", "email": BO},
        {"title": "Order 9", "userId": "u-ann"},
    ]
    await wait_for(store, "u-ann", BO, subject="deal-1")
    await fail(store, subject="deal-2")

    figures = await digest(store, settings)

    assert (5, 3, 0) == (
        figures["notificationsCollected"],
        figures["users"],
        figures["withoutAddress"],
    )
    by_user = {mail["To"]: mail for mail in mails.mails}
    assert {ANN, BO, ADMIN} == by_user.keys()
    assert ("2 notifications", "1 notification") == (
        by_user[BO]["Subject"],
        by_user[ADMIN]["Subject"],
    )
    text = text_of(by_user[BO])
    assert "Waiting for your decision\n- opportunity-analysis: deal-1\n" in text
    assert "Notifications\n- Invoice 7\n  is due\n  https://shop.example/7\n" in text
    assert "the forecast is away" in text_of(by_user[ADMIN])
    assert "https://orchestrator.example/api/v1/executions/" in text_of(by_user[ADMIN])
    assert '<a href="https://shop.example/7">Invoice 7</a>' in text_of(by_user[BO], "html")


async def test_what_comes_from_outside_is_escaped(
    store: RecordStore, settings: Settings, mails: MailServer, platform: Platform
) -> None:
    platform.notices = [
        {"title": "<script>x</script>\nSecond", "email": BO, "url": "javascript:alert(1)"}
    ]
    await digest(store, settings)

    [mail] = mails.mails
    html = text_of(mail, "html")
    assert "&lt;script&gt;x&lt;/script&gt;" in html
    assert ("<script" in html, "javascript:" in html) == (False, False)
    assert "\nSecond" not in text_of(mail)


async def test_a_digest_is_sent_once_whatever_is_repeated(
    store: RecordStore, settings: Settings, mails: MailServer
) -> None:
    await fail(store)
    collected = await digest(store, settings)

    await digests.compile_all(store, collected)
    await send(store, settings, collected)
    await digest(store, settings)

    assert 1 == len(mails.mails)


async def test_the_next_digest_begins_where_the_last_one_ended(
    store: RecordStore, settings: Settings, mails: MailServer
) -> None:
    await fail(store, completed_at=now() - timedelta(hours=25))
    first = await digest(store, settings)
    await fail(store)
    await wait_for(store, BO)

    second = await digest(store, settings)

    assert 0 == first["notificationsCollected"]
    assert first["window"]["until"] == second["window"]["since"]
    assert {ADMIN, BO} == {mail["To"] for mail in mails.mails}


async def test_the_service_is_asked_for_the_time_of_the_digest(
    store: RecordStore, settings: Settings, platform: Platform
) -> None:
    figures = await digest(store, settings)

    [asked] = platform.service.asked
    assert asked.path.startswith("/notices?since=")
    assert figures["window"]["until"][:19].replace(":", "%3A") in asked.path


async def test_an_approval_for_no_one_by_name_is_for_the_tenants_administrator(
    store: RecordStore, settings: Settings, mails: MailServer
) -> None:
    await wait_for(store)
    await wait_for(store, tenant_id=ANOTHER_TENANT)

    figures = await digest(store, settings)

    assert [ADMIN] == [mail["To"] for mail in mails.mails]
    assert 1 == figures["withoutAddress"]


async def test_an_open_question_is_for_who_asked_for_the_approval(
    store: RecordStore, settings: Settings, mails: MailServer
) -> None:
    question = Question(text="Why 20 %?", actor=ANN, at=now())
    await wait_for(store, ANN, requested_by=BO, questions=[question], subject="quote-4711")

    await digest(store, settings)

    by_address = {mail["To"]: text_of(mail) for mail in mails.mails}
    assert {ANN, BO} == by_address.keys()
    assert "question about quote-4711" in by_address[BO]
    assert f"{ANN} asks: Why 20 %?" in by_address[BO]


async def test_who_has_decided_already_is_not_reminded(
    store: RecordStore, settings: Settings, mails: MailServer
) -> None:
    vote = Decision(actor=ANN, channel="api", outcome="approved", at=now())
    await wait_for(store, ANN, BO, decisions=[vote])
    await wait_for(store, ANN, status="approved")

    await digest(store, settings)

    assert [BO] == [mail["To"] for mail in mails.mails]


async def test_what_cannot_be_used_is_counted(
    store: RecordStore, settings: Settings, platform: Platform, mails: MailServer
) -> None:
    platform.notices = {
        "data": [{"title": 7}, "x", {"title": "no one"}, {"title": "A", "userId": "gone"}]
    }

    figures = await digest(store, settings)

    assert (0, 2, 2) == tuple(
        [figures[name] for name in ("notificationsCollected", "unreadable", "withoutAddress")]
    )
    assert [] == mails.mails


async def test_a_long_digest_is_cut_and_counts_the_rest(
    store: RecordStore, settings: Settings, platform: Platform, mails: MailServer
) -> None:
    platform.notices = [{"title": f"N{number}", "email": BO} for number in range(ITEMS_MAX + 7)]

    await digest(store, settings)

    [mail] = mails.mails
    assert "57 notifications" == mail["Subject"]
    assert text_of(mail).rstrip().endswith("And 7 more.")


async def test_what_could_not_be_sent_is_sent_alone_by_the_next_run(
    store: RecordStore, settings: Settings, mails: MailServer, platform: Platform
) -> None:
    platform.notices = [{"title": "A", "email": ANN}, {"title": "B", "email": BO}]
    mails.refusals = ["450 later"] * AT_ONCE.attempts

    with pytest.raises(DigestsFailed, match="1 sent, 1 not: smtp: it answered 450"):
        await digest(store, settings)
    assert 1 == len(mails.mails)
    again = await digest(store, settings)
    platform.notices = []
    behind = await digest(store, settings)

    assert {ANN, BO} == {mail["To"] for mail in mails.mails}
    assert 2 == len(mails.mails)
    assert again["window"]["until"] == behind["window"]["since"]


def two_days_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collecting, "utc_now", lambda: now() + timedelta(days=2))


async def test_an_address_that_is_refused_for_now_again_and_again_holds_up_no_later_digest(
    store: RecordStore,
    settings: Settings,
    mails: MailServer,
    platform: Platform,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    mails.refused = {ANN: "450 later"}
    platform.notices = [{"title": "A", "email": ANN}, {"title": "B", "email": BO}]
    with pytest.raises(DigestsFailed):
        await digest(store, settings)
    first = await window.open_window(store, now())

    two_days_later(monkeypatch)
    platform.notices = [{"title": "A again", "email": ANN}, {"title": "B again", "email": BO}]
    with pytest.raises(DigestsFailed):
        await digest(store, settings)
    second = await window.open_window(store, now() + timedelta(days=2))

    assert ["- B\n", "- B again\n"] == [
        text_of(mail).rpartition("Notifications\n")[2] for mail in mails.mails
    ]
    assert first.until == second.since
    assert "1 mail of the digest" in caplog.text


async def test_what_no_one_was_sent_for_two_days_is_in_the_next_digest(
    store: RecordStore,
    settings: Settings,
    mails: MailServer,
    platform: Platform,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mails.refused = {ANN: "450 later"}
    platform.notices = [{"title": "A", "email": ANN}]
    with pytest.raises(DigestsFailed):
        await digest(store, settings)
    first = await window.open_window(store, now())

    two_days_later(monkeypatch)
    mails.refused = {}
    figures = await digest(store, settings)

    assert first.since == window.window_of(figures).since
    assert [ANN] == [mail["To"] for mail in mails.mails]


@pytest.mark.parametrize(("delivered", "tried"), [(0, FAILURES_MAX), (1, FAILURES_MAX + 1)])
async def test_after_failures_alone_no_more_is_tried(
    store: RecordStore,
    settings: Settings,
    mails: MailServer,
    platform: Platform,
    delivered: int,
    tried: int,
) -> None:
    users = [f"user-{number}@shop.example" for number in range(delivered + FAILURES_MAX + 1)]
    platform.notices = [{"title": "A", "email": address} for address in users]
    collected = await digests.collect(store, settings)
    await digests.compile_all(store, collected)
    in_order = sorted(users, key=partial(ids.digest_id, window.window_of(collected).digest))
    mails.refused = dict.fromkeys(in_order[delivered:], "450 later")

    with pytest.raises(DigestsFailed, match=f"{delivered} sent, {tried} not"):
        await send(store, settings, collected)


async def test_an_address_that_is_refused_for_good_holds_up_no_one(
    store: RecordStore, settings: Settings, mails: MailServer, platform: Platform
) -> None:
    platform.notices = [{"title": "A", "email": ANN}, {"title": "B", "email": BO}]
    mails.refusals = ["550 no such mailbox"]
    collected = await digests.collect(store, settings)
    await digests.compile_all(store, collected)

    figures = await send(store, settings, collected)

    assert (1, 1) == (figures["digestsSent"], figures["digestsRefused"])
    assert {True: 1, False: 1} == Counter(mail["sent"] for mail in figures["mails"])


async def test_events_of_the_log_are_notifications_of_users(
    store: RecordStore, settings: Settings, mails: MailServer
) -> None:
    for number, type in enumerate(("notification.created", "order.created")):
        event = EventRecord(
            id=f"evt-{number}",
            tenant_id=SYSTEM_TENANT,
            created_at=now() - timedelta(minutes=1),
            event_id=f"evt-{number}",
            event_type=type,
            payload={"recipient": BO, "subject": f"Shipment {number}", "message": "Hamburg"},
            occurred_at=now(),
            source="orchestrator",
            digest="0" * 64,
        )
        await store.create(SYSTEM_TENANT, event)

    figures = await digest(store, settings)

    assert 1 == figures["notificationsCollected"]
    [mail] = mails.mails
    assert BO == mail["To"]
    assert "- Shipment 0\n  Hamburg\n" in text_of(mail)


async def test_without_a_way_to_send_mail_all_steps_are_skipped_and_nothing_is_lost(
    store: RecordStore, settings: Settings, mails: MailServer
) -> None:
    await fail(store, completed_at=now() - timedelta(hours=2))
    nothing = load_settings({"NOTIFICATION_DIGEST_ADMINS": f"*={ADMIN}"})

    with pytest.raises(NotConfigured, match="COMMS_HUB_URL or SMTP_URL"):
        await digests.collect(store, nothing)
    with pytest.raises(NotConfigured, match="nothing was collected"):
        await digests.compile_all(store, {})
    with pytest.raises(NotConfigured, match="nothing was collected"):
        await send(store, nothing, {})
    await digest(store, settings)

    assert [ADMIN] == [mail["To"] for mail in mails.mails]


async def test_a_directory_that_is_down_fails_the_step(store: RecordStore) -> None:
    down = load_settings(
        {
            "COMMS_HUB_URL": "http://127.0.0.1:9",
            "NOTIFICATION_DIGEST_DIRECTORY_URL": "http://127.0.0.1:9/{userId}",
        }
    )
    await wait_for(store, "u-ann")

    with pytest.raises(ServiceFailed, match="the directory of users cannot be reached"):
        await digests.collect(store, down)


@pytest.mark.parametrize("admins", ["shop=admin@shop.example", "*", f"{A_TENANT}=nobody"])
def test_an_administrator_that_cannot_be_is_refused_at_the_start(admins: str) -> None:
    with pytest.raises(BadSetting, match="NOTIFICATION_DIGEST_ADMINS"):
        load_settings({"NOTIFICATION_DIGEST_ADMINS": admins})
