"""The digest on the embedded stack, with a mail server."""

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from blocks.clock import utc_now
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.operations.catalogue import NOTIFICATION_DIGEST
from blocks.contracts.records.operations import EventRecord
from tests.support.notifications.mail_server import MailServer, mail_server
from tests.support.operations.prefect_runs import run_by_hand
from tests.support.servers.prefect_server import PrefectServer
from tests.support.system.orchestra import Orchestra, whole_orchestra

pytestmark = pytest.mark.long


@pytest.fixture
def mails() -> Iterator[MailServer]:
    with mail_server() as server:
        yield server


@pytest.fixture
async def parts(
    tmp_path: Path, prefect_server: PrefectServer, mails: MailServer
) -> AsyncIterator[Orchestra]:
    async with whole_orchestra(
        tmp_path,
        prefect_server,
        SMTP_URL=f"smtp://127.0.0.1:{mails.port}",
        NOTIFICATIONS_SENDER="orchestrator@shop.example",
        OPERATIONS_ENABLED="false",
        PREFECT_WORKER_QUERY_SECONDS="0.5",
    ) as parts:
        parts.worker.start()
        yield parts


async def notified(parts: Orchestra, address: str, title: str) -> None:
    at = utc_now() - timedelta(hours=1)
    event = EventRecord(
        id=f"{address} {title}",
        tenant_id=SYSTEM_TENANT,
        created_at=at,
        event_id=title,
        event_type="notification.created",
        payload={"email": address, "title": title},
        occurred_at=at,
        source="shop",
        digest="",
    )
    await parts.store.create(SYSTEM_TENANT, event)


async def test_a_mail_server_receives_every_users_digest_once(
    parts: Orchestra, mails: MailServer
) -> None:
    for address, title in (("ann@shop.example", "A"), ("ben@shop.example", "B")):
        await notified(parts, address, title)

    first = await run_by_hand(parts, NOTIFICATION_DIGEST)
    second = await run_by_hand(parts, NOTIFICATION_DIGEST)

    assert ("completed", "completed") == (first.status, second.status)
    assert (2, 0) == tuple(
        (one.results or {})["send-emails"]["digestsSent"] for one in (first, second)
    )
    assert ["ann@shop.example", "ben@shop.example"] == sorted(mail["To"] for mail in mails.mails)
