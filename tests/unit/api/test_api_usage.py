"""A tenant sees what it uses and what it may use, and nothing of another's."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from blocks.contracts.records import TenantShare
from blocks.contracts.records.dead_letters import DeadLetterRecord
from blocks.services import open_bus
from blocks.settings import load_settings
from blocks.tenants.dispatch_policy import change_policy, with_share
from blocks.tenants.usage import Accepted, read_usage
from tests.support.api.api_client import Api, an_api
from tests.support.api.every_route import a_record
from tests.support.factories import A_TENANT, ANOTHER_TENANT, an_approval, an_execution

USAGE = "/api/v1/usage"
NOON = datetime(2026, 3, 15, 12, tzinfo=UTC)


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with an_api(tmp_path, REQUESTS_PER_MINUTE="500") as api:
        yield api


async def test_a_tenants_open_work_is_counted_by_what_it_waits_for(api: Api) -> None:
    for status, count in (
        ("pending", 3),
        ("running", 2),
        ("awaiting_approval", 1),
        ("waiting", 5),
        ("completed", 4),
    ):
        await api.holds(*(an_execution(status=status) for _ in range(count)))
    await api.holds(an_approval(), an_approval(status="approved"))
    await a_record(api.store, DeadLetterRecord, A_TENANT)

    assert {
        "pending": 3,
        "running": 2,
        "awaitingApproval": 1,
        "waiting": 5,
        "pendingApprovals": 1,
        "deadLetters": 1,
    } == (await api.get(USAGE)).json()["now"]


async def test_work_is_counted_since_the_day_and_the_month_began(api: Api) -> None:
    for created_at in (
        NOON,
        NOON.replace(hour=0),
        NOON.replace(hour=0) - timedelta(microseconds=1),
        NOON.replace(day=1, hour=0),
        NOON.replace(day=1, hour=0) - timedelta(microseconds=1),
    ):
        await api.holds(an_execution(created_at=created_at))
    await api.holds(an_execution(created_at=NOON, workflow="batch-job"))

    accepted = (await read_usage(api.store, A_TENANT, NOON)).accepted

    assert {
        "opportunity-analysis": Accepted(today=2, this_month=4),
        "batch-job": Accepted(today=1, this_month=1),
        "claim-recovery": Accepted(today=0, this_month=0),
    } == accepted


async def test_nothing_of_another_tenants_is_counted(api: Api) -> None:
    await api.holds(an_execution(tenant_id=ANOTHER_TENANT), an_approval(tenant_id=ANOTHER_TENANT))

    body = (await api.get(USAGE)).json()

    assert {0} == {*body["now"].values()}
    assert {0} == {count for workflow in body["accepted"].values() for count in workflow.values()}


async def test_a_tenants_own_share_and_its_rate_are_its_limits(api: Api) -> None:
    default = (await api.get(USAGE)).json()["limits"]
    async with open_bus(load_settings({"ORCHESTRATOR_DATA_DIR": api.folder}), "test") as bus:
        share = TenantShare(weight=3, priority=1, running_max=20)
        await change_policy(api.store, bus, lambda policy: with_share(policy, A_TENANT, share))

    own, another = (
        (await api.get(USAGE)).json()["limits"],
        (await api.get(USAGE, ANOTHER_TENANT)).json()["limits"],
    )

    assert (
        {"requestsPerMinute": 500, "runningMax": None, "weight": 1.0, "priority": 0}
        == default
        == another
    )
    assert {"requestsPerMinute": 500, "runningMax": 20, "weight": 3.0, "priority": 1} == own
