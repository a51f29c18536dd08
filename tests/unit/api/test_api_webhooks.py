"""/api/v1/webhooks: each tenant manages its own, and sees a secret once."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from blocks.contracts.records import EarlierSecret, WebhookSubscription
from blocks.webhooks.changes import EARLIER_SECRETS_MAX
from blocks.webhooks.signatures import signature, signature_of
from blocks.webhooks.subscriptions import EVENT_TYPES, SUBSCRIPTIONS_MAX
from tests.support.api.api_client import Api, an_api
from tests.support.factories import A_TENANT, ANOTHER_TENANT, a_webhook, new_id, now

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


async def test_a_new_webhook_receives_everything_and_shows_its_secret(api: Api) -> None:
    created = await add(api)

    assert (URL, A_TENANT, True) == (created["url"], created["tenantId"], created["active"])
    assert sorted(EVENT_TYPES) == created["eventTypes"]
    assert created["secret"].startswith("whsec_")
    assert len(created["secret"]) >= 32


async def test_no_two_secrets_are_alike(api: Api) -> None:
    assert (await add(api))["secret"] != (await add(api))["secret"]


async def test_a_request_that_is_repeated_under_its_key_adds_one_webhook(api: Api) -> None:
    headers = {"X-Tenant-ID": A_TENANT, "Idempotency-Key": "key-1"}

    first, again = [
        await api.client.post(WEBHOOKS, json={"url": URL}, headers=headers) for _ in range(2)
    ]

    assert (201, first.json()) == (again.status_code, again.json())
    assert 1 == await api.store.count(A_TENANT, WebhookSubscription)


async def test_a_webhook_may_ask_for_some_events_only(api: Api) -> None:
    created = await add(api, eventTypes=["hitl.approval.completed", "hitl.approval.completed"])

    assert ["hitl.approval.completed"] == created["eventTypes"]


async def test_the_secret_is_not_shown_again(api: Api) -> None:
    created = await add(api)
    known = {name: value for name, value in created.items() if name != "secret"}

    assert {"items": [known]} == (await api.get(WEBHOOKS)).json()
    assert known == (await api.get(f"{WEBHOOKS}/{created['id']}")).json()


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
    assert {"items": []} == (await api.get(WEBHOOKS)).json()
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
async def test_what_cannot_be_a_webhook_is_refused_by_its_field(
    api: Api, body: object, field: str
) -> None:
    refused = await api.send("POST", WEBHOOKS, body)

    assert (400, "VALIDATION_ERROR") == (refused.status_code, refused.json()["error"]["code"])
    assert field in str(refused.json()["error"]["details"])
    assert 0 == await api.store.count(A_TENANT, WebhookSubscription)


async def change(api: Api, id: str, body: object, **headers: str) -> httpx.Response:
    headers = {"X-Tenant-ID": A_TENANT, **headers}
    return await api.client.patch(f"{WEBHOOKS}/{id}", json=body, headers=headers)


async def test_a_change_changes_what_it_names_and_nothing_else(api: Api) -> None:
    created = await add(api)
    elsewhere, one_type = "https://elsewhere.example/hook", ["hitl.approval.completed"]
    expected = {name: value for name, value in created.items() if name != "secret"}

    for body in (
        {},
        {"url": elsewhere},
        {"eventTypes": one_type},
        {"active": False},
        {"active": True},
    ):
        changed = await change(api, created["id"], body)
        expected |= body
        assert (200, expected) == (changed.status_code, changed.json())
        assert expected == (await api.get(f"{WEBHOOKS}/{created['id']}")).json()


async def test_a_rotated_secret_is_shown_once_and_the_earlier_one_stays_valid_for_a_day(
    api: Api,
) -> None:
    created = await add(api)

    rotated = (await change(api, created["id"], {"rotateSecret": True})).json()

    assert rotated["secret"].startswith("whsec_")
    assert rotated["secret"] != created["secret"]
    left = datetime.fromisoformat(rotated["earlierSecretsValidUntil"]) - now()
    assert timedelta(hours=23, minutes=59) < left <= timedelta(hours=24)
    stored = (await api.store.read(A_TENANT, WebhookSubscription, created["id"])).record
    assert (rotated["secret"], [created["secret"]]) == (
        stored.secret,
        [one.secret for one in stored.earlier_secrets],
    )
    for answer in (await api.get(WEBHOOKS), await change(api, created["id"], {"active": True})):
        assert "whsec_" not in answer.text
    assert "whsec_" not in f"{stored} {stored!r} {stored.earlier_secrets!r}"


async def test_an_earlier_secret_signs_until_its_time_is_over(api: Api) -> None:
    over, valid = now() - timedelta(seconds=1), now() + timedelta(hours=1)
    secrets = [
        EarlierSecret(secret="whsec_1", valid_until=over),
        EarlierSecret(secret="whsec_2", valid_until=valid),
    ]
    webhook = a_webhook(secret="whsec_3", earlier_secrets=secrets)
    await api.holds(webhook)

    assert signature("whsec_3", b"{}", now(), earlier=["whsec_2"]) == signature_of(
        webhook, b"{}", now()
    )
    await change(api, webhook.id, {"rotateSecret": True})

    stored = (await api.store.read(A_TENANT, WebhookSubscription, webhook.id)).record
    assert ["whsec_2", "whsec_3"] == [one.secret for one in stored.earlier_secrets]


async def test_secrets_that_rotate_at_once_each_stay_valid_and_no_more_than_so_many_are(
    api: Api,
) -> None:
    created = await add(api)

    answers = await asyncio.gather(
        *(change(api, created["id"], {"rotateSecret": True}) for _ in range(6))
    )

    refused = [one for one in answers if one.status_code != 200]
    assert [(409, "WEBHOOK_SECRET_LIMIT_REACHED")] * (6 - EARLIER_SECRETS_MAX) == [
        (one.status_code, one.json()["error"]["code"]) for one in refused
    ]
    shown = {one.json()["secret"] for one in answers if one.status_code == 200} | {
        created["secret"]
    }
    stored = (await api.store.read(A_TENANT, WebhookSubscription, created["id"])).record
    assert shown == {stored.secret, *(one.secret for one in stored.earlier_secrets)}


async def test_a_change_insists_on_the_version_it_names(api: Api) -> None:
    created = await api.send("POST", WEBHOOKS, {"url": URL})
    id, etag = created.json()["id"], created.headers["ETag"]
    assert etag == (await api.get(f"{WEBHOOKS}/{id}")).headers["ETag"]

    changed = await change(api, id, {"active": False}, **{"If-Match": etag})
    stale = await change(api, id, {"active": True}, **{"If-Match": etag})
    malformed = await change(api, id, {"active": True}, **{"If-Match": "?"})

    assert (200, '"2"') == (changed.status_code, changed.headers["ETag"])
    assert (412, "PRECONDITION_FAILED") == (stale.status_code, stale.json()["error"]["code"])
    assert 400 == malformed.status_code
    assert (await api.get(f"{WEBHOOKS}/{id}")).json()["active"] is False


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"url": None}, "url"),
        ({"url": "https://169.254.169.254/latest"}, "url"),
        ({"eventTypes": ["workflow.step.completed"]}, "eventTypes"),
        ({"active": "no"}, "active"),
        ({"rotateSecret": "please"}, "rotateSecret"),
        ({"secret": "mine"}, "secret"),
        ({"url": "https://10.0.0.1/", "rotateSecret": True}, "url"),
    ],
)
async def test_a_change_to_what_cannot_be_a_webhook_is_refused_and_changes_nothing(
    api: Api, body: object, field: str
) -> None:
    created = await add(api)
    before = await api.store.read(A_TENANT, WebhookSubscription, created["id"])

    refused = await change(api, created["id"], body)

    assert (400, "VALIDATION_ERROR") == (refused.status_code, refused.json()["error"]["code"])
    assert field in str(refused.json()["error"]["details"])
    assert before == await api.store.read(A_TENANT, WebhookSubscription, created["id"])


async def test_another_tenants_webhook_cannot_be_changed(api: Api) -> None:
    theirs = a_webhook(tenant_id=ANOTHER_TENANT)
    await api.holds(theirs)

    for id in (theirs.id, new_id(), "no-id"):
        missing = await change(api, id, {"active": False})
        assert (404, "WEBHOOK_NOT_FOUND") == (missing.status_code, missing.json()["error"]["code"])
    assert theirs == (await api.store.read(ANOTHER_TENANT, WebhookSubscription, theirs.id)).record


async def test_a_tenant_has_so_many_webhooks_and_no_more(api: Api) -> None:
    for _ in range(SUBSCRIPTIONS_MAX):
        await add(api)

    refused = await api.send("POST", WEBHOOKS, {"url": URL})

    assert (409, "WEBHOOK_LIMIT_REACHED") == (refused.status_code, refused.json()["error"]["code"])


def test_the_secret_and_the_path_are_in_no_text_that_a_subscription_becomes() -> None:
    webhook = a_webhook(url="https://hooks.example/services/canary", secret="whsec_canary")

    assert "canary" not in f"{webhook} {webhook!r}"
