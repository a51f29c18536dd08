"""Operations that work with services of the platform, on the embedded stack."""

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from blocks.contracts.operations.catalogue import (
    CMS_SYNC,
    NOTIFICATION_DIGEST,
    SALES_OPERATIONS,
    USER_ONBOARDING,
)
from tests.support.notifications.comms_hub import CommsHub, comms_hub
from tests.support.operations.cms import Cms, running_cms
from tests.support.operations.prefect_runs import run_by_hand
from tests.support.operations.sales import Sales, running_sales
from tests.support.servers.prefect_server import PrefectServer
from tests.support.system.orchestra import Orchestra, whole_orchestra

pytestmark = pytest.mark.long

OPERATORS = "operators@platform.example"


@pytest.fixture
def hub() -> Iterator[CommsHub]:
    with comms_hub() as hub:
        yield hub


@pytest.fixture
def cms() -> Iterator[Cms]:
    with running_cms() as cms:
        yield cms


@pytest.fixture
def sales() -> Iterator[Sales]:
    with running_sales() as sales:
        yield sales


@pytest.fixture
async def parts(
    tmp_path: Path, prefect_server: PrefectServer, hub: CommsHub, cms: Cms, sales: Sales
) -> AsyncIterator[Orchestra]:
    async with whole_orchestra(
        tmp_path,
        prefect_server,
        ALERT_EMAIL=OPERATORS,
        COMMS_HUB_URL=hub.url,
        CMS_URL=cms.url,
        CMS_SYNC_FILES_URL=str(tmp_path / "cms"),
        USER_ONBOARDING_ROLE_URL=f"{sales.service.url}/users/{{userId}}/role",
        NOTIFICATION_DIGEST_ADMINS=f"*={OPERATORS}",
        OPERATIONS_ENABLED="false",
        PREFECT_WORKER_QUERY_SECONDS="0.5",
        **sales.variables,
    ) as parts:
        parts.worker.start()
        yield parts


async def test_a_change_of_the_cms_is_fetched_shown_and_notified_of_once(
    parts: Orchestra, cms: Cms, hub: CommsHub, tmp_path: Path
) -> None:
    first = await run_by_hand(parts, CMS_SYNC)
    second = await run_by_hand(parts, CMS_SYNC)

    assert ("completed", "completed") == (first.status, second.status)
    assert (4, 0) == tuple(
        (one.results or {})["fetch-cms"]["endpointsChanged"] for one in (first, second)
    )
    assert [False] * 4 + [True] * 4 == cms.statuses()
    assert [{"id": 1}, {"id": 2}] == json.loads((tmp_path / "cms/services.json").read_bytes())
    assert [(OPERATORS, "CMS content has changed: services, pages, menu, posts")] == [
        (message["recipient"], message["subject"]) for message in hub.messages
    ]


async def test_a_user_is_onboarded_once_whichever_event_comes(
    parts: Orchestra, hub: CommsHub, sales: Sales
) -> None:
    payload = {"userId": "u-1", "email": "ann@shop.example"}
    first = await run_by_hand(parts, USER_ONBOARDING, inputData=payload)
    second = await run_by_hand(
        parts, USER_ONBOARDING, triggerEvent={"type": "user.verified", "payload": payload}
    )

    assert ("completed", "completed") == (first.status, second.status)
    assert "user" == (first.results or {})["assign-role"]["roleAssigned"]
    assert (second.results or {})["send-welcome"]["doneBefore"]
    assert ["ann@shop.example"] == [message["recipient"] for message in hub.messages]
    assert 1 == len(sales.asked("/users/u-1/role"))


async def test_the_results_of_sales_are_carried_into_the_report(
    parts: Orchestra, hub: CommsHub
) -> None:
    execution = await run_by_hand(parts, SALES_OPERATIONS)

    results = execution.results or {}
    assert "completed" == execution.status
    assert (1, "attention", 1) == (
        results["lead-qualification"]["leadsQualified"],
        results["ops-monitoring"]["opsStatus"],
        results["email-notifications"]["emailsSent"],
    )
    [mail] = hub.messages
    assert "trend: rising" in mail["body"]
    assert "qualifiedLeads: l-1" in mail["body"]


async def test_a_failed_execution_is_in_the_digest_of_its_administrator(
    parts: Orchestra, hub: CommsHub, cms: Cms
) -> None:
    cms.down = set(cms.content)
    failed = await run_by_hand(parts, CMS_SYNC)
    first = await run_by_hand(parts, NOTIFICATION_DIGEST)
    second = await run_by_hand(parts, NOTIFICATION_DIGEST)

    assert ("failed", "fetch-cms") == (failed.status, failed.failed_step)
    assert "answered 503" in (failed.error or "")
    assert (1, 0) == tuple(
        [(one.results or {})["send-emails"]["digestsSent"] for one in (first, second)]
    )
    [mail] = hub.messages
    assert (OPERATORS, "1 notification") == (mail["recipient"], mail["subject"])
    assert "cms-sync: by hand" in mail["body"]
    assert "<li>" in mail["metadata"]["html"]
