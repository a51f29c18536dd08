"""The overview: the tenant's numbers, the platform's, and the first run."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from blocks.contracts.ids import SYSTEM_TENANT
from tests.support.api.api_client import Api
from tests.support.factories import (
    A_TENANT,
    ANOTHER_TENANT,
    a_tenant_record,
    an_approval,
    an_execution,
    now,
)
from tests.support.pages.visitor import Visitor, signed_in

HTMX = {"HX-Request": "true"}


@pytest.fixture
async def ann(api: Api) -> AsyncIterator[Visitor]:
    async with signed_in(api.app, "admin") as visitor:
        yield visitor


async def test_it_counts_what_is_open_failed_and_waits(api: Api, ann: Visitor) -> None:
    await api.holds(
        *(an_execution(status="running", started_at=now()) for _ in range(3)),
        *(an_execution(status="failed", completed_at=now()) for _ in range(2)),
        an_execution(status="failed", created_at=now() - timedelta(days=2), completed_at=now()),
        an_approval(),
        an_execution(tenant_id=ANOTHER_TENANT),
    )

    text = (await ann.open("/")).text

    assert "Open 3 3 running · 0 pending" in text
    assert "Waiting for a decision 1 oldest asked" in text
    assert "Failed, last 24 hours 2" in text


async def test_the_typical_time_is_by_nearest_rank(api: Api, ann: Visitor) -> None:
    began = now() - timedelta(minutes=5)
    await api.holds(
        *(
            an_execution(
                status="completed",
                created_at=began,
                completed_at=began + timedelta(seconds=seconds),
            )
            for seconds in range(1, 21)
        )
    )

    text = (await ann.open("/")).text

    assert "10 s half are faster" in text
    assert "19 s 95 of 100 are faster" in text


async def test_another_tenants_work_does_not_show(api: Api, ann: Visitor) -> None:
    await api.holds(an_execution(), an_execution(tenant_id=ANOTHER_TENANT, subject="foreign"))

    shown = await ann.open("/")

    assert "foreign" not in shown.text
    assert ANOTHER_TENANT not in shown.text
    assert "Tenants" not in shown.text


async def test_operators_of_the_platform_see_all_tenants(api: Api) -> None:
    await api.holds(
        a_tenant_record(),
        a_tenant_record(tenant=ANOTHER_TENANT),
        *(an_execution(tenant_id=ANOTHER_TENANT) for _ in range(4)),
        an_approval(),
    )
    async with signed_in(api.app, "operator", tenant_id=SYSTEM_TENANT) as oli:
        text = (await oli.open("/")).text

    assert f"{A_TENANT} 0 0 1" in text
    assert f"{ANOTHER_TENANT} 4 0 0" in text


async def test_a_viewer_of_the_platform_sees_no_tenants(api: Api) -> None:
    await api.holds(a_tenant_record())
    async with signed_in(api.app, "viewer", tenant_id=SYSTEM_TENANT) as visitor:
        assert A_TENANT not in (await visitor.open("/")).text


async def test_an_update_is_the_numbers_alone(api: Api, ann: Visitor) -> None:
    await api.holds(an_execution(subject="one"))

    part = (await ann.client.get("/", headers=HTMX)).text

    assert "one" in part
    assert "<html" not in part


# --- the first run --------------------------------------------------------------------------------


async def test_a_first_run_shows_how_to_publish_an_event(ann: Visitor) -> None:
    shown = await ann.open("/")

    assert "orchestrator emit -" in shown.text
    assert f'"tenantId": "{A_TENANT}"' in shown.text
    assert "No event has arrived yet" in shown.text


async def test_the_first_event_becomes_a_link_to_its_execution(api: Api, ann: Visitor) -> None:
    before = (await ann.client.get("/?first=true", headers=HTMX)).text
    execution = an_execution()
    await api.holds(execution, an_execution(tenant_id=ANOTHER_TENANT))

    after = (await ann.client.get("/?first=true", headers=HTMX)).text

    assert 'hx-get="/?first=true"' in before
    assert f'href="/executions/{execution.id}"' in after
    assert "hx-get" not in after


async def test_another_tenants_event_is_not_the_first(api: Api, ann: Visitor) -> None:
    await api.holds(an_execution(tenant_id=ANOTHER_TENANT))

    assert "Publish the first event" in (await ann.open("/")).text
