"""/api/v1/webhooks: each tenant manages its own, and sees a secret once."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from blocks.contracts.records import WebhookSubscription
from blocks.webhooks import EVENT_TYPES, SUBSCRIPTIONS_MAX
from tests.support.api_client import Api, an_api
from tests.support.factories import A_TENANT, ANOTHER_TENANT, a_webhook, new_id

WEBHOOKS = "/api/v1/webhooks"
URL = "https://hooks.customer.example/approvals"


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with an_api(tmp_path) as api:
        yield api


async def add(api: Api, **changes: object) -> dict[str, Any]:
    created = await api.send("POST", WEBHOOKS, {"url": URL, **changes})
    assert 201 == created.status_code, created.text
    return dict(created.json())


async def test_a_new_webhook_is_told_of_everything_and_shows_its_secret(api: Api) -> None:
    created = await add(api)

    assert (URL, A_TENANT, True) == (created["url"], created["tenantId"], created["active"])
    assert sorted(EVENT_TYPES) == created["eventTypes"]
    assert created["secret"].startswith("whsec_")
    assert len(created["secret"]) >= 32


async def test_no_two_secrets_are_alike(api: Api) -> None:
    assert (await add(api))["secret"] != (await add(api))["secret"]


async def test_a_request_that_is_repeated_under_its_key_adds_one_webhook(api: Api) -> None:
    headers = {"X-Tenant-ID": A_TENANT, "Idempotency-Key": "key-1"}

    first, again = [await api.client.post(WEBHOOKS, json={"url": URL}, headers=headers) for _ in range(2)]

    assert (201, first.json()) == (again.status_code, again.json())
    assert 1 == await api.store.count(A_TENANT, WebhookSubscription)


async def test_a_webhook_may_ask_for_some_events_only(api: Api) -> None:
    created = await add(api, eventTypes=["hitl.approval.completed", "hitl.approval.completed"])

    assert ["hitl.approval.completed"] == created["eventTypes"]


async def test_the_secret_is_not_shown_again(api: Api) -> None:
    created = await add(api)
    known = {name: value for name, value in created.items() if name != "secret"}

    assert {"webhooks": [known]} == (await api.get(WEBHOOKS)).json()
    assert known == (await api.get(f"{WEBHOOKS}/{created['id']}")).json()
    assert known == (await api.send("DELETE", f"{WEBHOOKS}/{created['id']}")).json()


async def test_a_removed_webhook_is_gone(api: Api) -> None:
    path = f"{WEBHOOKS}/{(await add(api))['id']}"
    await api.send("DELETE", path)

    for method in ("GET", "DELETE"):
        missing = await api.send(method, path)
        assert (404, "WEBHOOK_NOT_FOUND") == (missing.status_code, missing.json()["error"]["code"])


async def test_another_tenants_webhook_is_like_an_unknown_one(api: Api) -> None:
    theirs = a_webhook(tenant_id=ANOTHER_TENANT)
    await api.holds(theirs)

    for id in (theirs.id, new_id(), "no-id"):
        for method in ("GET", "DELETE"):
            assert 404 == (await api.send(method, f"{WEBHOOKS}/{id}")).status_code
    assert {"webhooks": []} == (await api.get(WEBHOOKS)).json()
    assert 1 == await api.store.count(ANOTHER_TENANT, WebhookSubscription)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "url"),
        ({"url": ""}, "url"),
        ({"url": "http://hooks.customer.example/"}, "url"),
        ({"url": "https://169.254.169.254/latest"}, "url"),
        ({"url": "https://user:secret@hooks.customer.example/"}, "url"),
        ({"url": URL, "eventTypes": ["workflow.step.completed"]}, "eventTypes"),
        ({"url": URL, "eventTypes": "all"}, "eventTypes"),
        ({"url": URL, "secret": "mine"}, "secret"),
    ],
)
async def test_what_cannot_be_a_webhook_is_refused_by_its_field(api: Api, body: object, field: str) -> None:
    refused = await api.send("POST", WEBHOOKS, body)

    assert (400, "VALIDATION_ERROR") == (refused.status_code, refused.json()["error"]["code"])
    assert field in str(refused.json()["error"]["details"])
    assert 0 == await api.store.count(A_TENANT, WebhookSubscription)


async def test_a_tenant_has_so_many_webhooks_and_no_more(api: Api) -> None:
    for _ in range(SUBSCRIPTIONS_MAX):
        await add(api)

    refused = await api.send("POST", WEBHOOKS, {"url": URL})

    assert (409, "WEBHOOK_LIMIT_REACHED") == (refused.status_code, refused.json()["error"]["code"])


def test_the_secret_and_the_path_are_in_no_text_that_a_subscription_becomes() -> None:
    webhook = a_webhook(url="https://hooks.example/services/canary", secret="whsec_canary")

    assert "canary" not in f"{webhook} {webhook!r}"
