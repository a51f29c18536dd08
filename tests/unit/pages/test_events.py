"""`/events`: the log of events, for the platform alone."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.records.operations import EventRecord
from tests.support.api.api_client import Api
from tests.support.factories import new_id, now
from tests.support.pages.visitor import Visitor, signed_in

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
async def platform(api: Api) -> AsyncIterator[Visitor]:
    async with signed_in(api.app, "operator", tenant_id=SYSTEM_TENANT) as visitor:
        yield visitor


def an_event(event_type: str = "user.registered", **changes: Any) -> EventRecord:
    event: dict[str, Any] = {
        "id": new_id(),
        "tenant_id": SYSTEM_TENANT,
        "created_at": now(),
        "event_id": new_id(),
        "event_type": event_type,
        "payload": {"who": "bob"},
        "occurred_at": now(),
        "source": "auth",
        "digest": "0" * 64,
    }
    return EventRecord(**event | changes)


async def test_it_lists_events_with_their_payload(api: Api, platform: Visitor) -> None:
    await api.holds(an_event("shop.closed", source=HOSTILE, payload={"name": HOSTILE}))

    shown = await platform.open("/events")

    assert "shop.closed" in shown.text
    assert f'"name": "{HOSTILE}"' in shown.text
    assert HOSTILE not in shown.html


async def test_it_is_filtered_by_type(api: Api, platform: Visitor) -> None:
    await api.holds(an_event("shop.closed"), an_event("shop.opened"))

    shown = await platform.open("/events?type=shop.opened")

    assert "/events?type=shop.opened" in shown.links()
    assert "/events?type=shop.closed" not in shown.links()
    assert "No event of this type" in (await platform.open("/events?type=none")).text


async def test_without_any_it_says_what_to_do(platform: Visitor) -> None:
    assert "No events yet" in (await platform.open("/events?type=")).text


async def test_it_is_not_for_tenants(api: Api) -> None:
    async with signed_in(api.app, "admin") as visitor:
        assert (await visitor.open("/events")).status == 403
        assert "/events" not in (await visitor.open("/inbox")).links()


async def test_the_platform_finds_it_in_the_navigation(platform: Visitor) -> None:
    assert "/events" in (await platform.open("/workflows")).links()
