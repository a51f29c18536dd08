"""Settings of an admin: keys and webhooks whose secrets show once, and the audit log."""

from datetime import timedelta

import pytest

from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.records import ApiKeyRecord, WebhookSubscription
from blocks.ports import NO_CONDITION
from blocks.queries import every
from blocks.webhooks import subscriptions
from tests.support.api.api_client import Api
from tests.support.api.credentials import as_user
from tests.support.factories import (
    A_TENANT,
    ANOTHER_TENANT,
    a_webhook,
    an_api_key,
    an_audit_entry,
    now,
)
from tests.support.pages.visitor import Visitor, signed_in


@pytest.mark.parametrize("path", ["/settings", "/audit"])
async def test_they_are_for_admins(api: Api, path: str) -> None:
    async with signed_in(api.app, "operator", "approver") as visitor:
        shown = await visitor.open(path)

    assert 403 == shown.status
    assert "/settings" not in shown.links()


async def test_without_anything_it_says_what_to_do(ada: Visitor) -> None:
    shown = await ada.open("/settings")

    assert "No keys yet" in shown.text
    assert "No webhooks yet" in shown.text


# --- keys -----------------------------------------------------------------------------------------


async def test_a_key_is_shown_once_works_and_is_revoked(api: Api, ada: Visitor) -> None:
    await ada.open("/settings")

    shown = await ada.send("/settings/keys", name="nightly", roles=["viewer"], days="7")

    [key] = [
        str(attributes["value"]) for _, attributes in shown.tags if attributes.get("id") == "secret"
    ]
    headers = as_user(key)
    answer = await api.client.get("/api/v1/executions", headers=headers)
    assert 200 == answer.status_code, answer.text
    shown = await ada.open("/settings")
    assert "nightly" in shown.text
    assert key not in shown.html
    [revoke] = [action for action in shown.forms if action.endswith("/revoke")]

    shown = await ada.send(revoke)

    assert "is revoked" in shown.text
    [stored] = await _keys(api)
    assert stored.revoked_at is not None


async def _keys(api: Api) -> list[ApiKeyRecord]:
    found = every(api.store, SYSTEM_TENANT, ApiKeyRecord, NO_CONDITION)
    return [stored.record async for stored in found]


async def test_no_key_has_a_role_that_its_maker_lacks(api: Api, ada: Visitor) -> None:
    assert 'value="approver"' not in (await ada.open("/settings")).html

    shown = await ada.send("/settings/keys", name="mine", roles=["approver"])

    assert 403 == shown.status
    assert [] == await _keys(api)


async def test_a_key_without_a_role_is_refused(ada: Visitor) -> None:
    await ada.open("/settings")

    assert 400 == (await ada.send("/settings/keys", name="mine")).status


async def test_another_tenants_key_is_not_there(api: Api, ada: Visitor) -> None:
    foreign = an_api_key(tenant=ANOTHER_TENANT, name="foreign")
    own = an_api_key(tenant=A_TENANT, name="own")
    await api.holds(foreign, own)
    shown = await ada.open("/settings")
    assert ("own" in shown.text, "foreign" in shown.text) == (True, False)

    fields = shown.form(f"/settings/keys/{own.prefix}/revoke")
    answer = await ada.client.post(f"/settings/keys/{foreign.prefix}/revoke", data=fields)

    assert 404 == answer.status_code
    assert [None, None] == [one.revoked_at for one in await _keys(api)]


# --- webhooks -------------------------------------------------------------------------------------


async def test_a_webhook_is_added_with_its_secret_shown_once_and_removed(
    api: Api, ada: Visitor
) -> None:
    await ada.open("/settings")

    shown = await ada.send("/settings/webhooks", url="https://receiver.example/hook")

    [hook] = await subscriptions.subscriptions(api.store, A_TENANT)
    assert hook.secret in shown.html
    shown = await ada.open("/settings")
    assert ("receiver.example" in shown.text, hook.secret in shown.html) == (True, False)

    await ada.send(f"/settings/webhooks/{hook.id}/remove")

    assert [] == await subscriptions.subscriptions(api.store, A_TENANT)


async def test_a_webhook_into_the_own_network_is_refused(api: Api, ada: Visitor) -> None:
    await ada.open("/settings")

    shown = await ada.send("/settings/webhooks", url="https://127.0.0.1/hook")

    assert (400, True) == (shown.status, "not a public address" in shown.text)
    assert [] == await subscriptions.subscriptions(api.store, A_TENANT)


async def test_a_test_that_does_not_arrive_says_why(api: Api, ada: Visitor) -> None:
    hook = a_webhook(url="https://127.0.0.1:9/hook")
    await api.holds(hook)
    await ada.open("/settings")

    shown = await ada.send(f"/settings/webhooks/{hook.id}/test")

    assert "Not delivered: 127.0.0.1 is not a public address" in shown.text


async def test_another_tenants_webhook_is_not_there(api: Api, ada: Visitor) -> None:
    foreign = a_webhook(tenant_id=ANOTHER_TENANT, url="https://foreign.example/")
    own = a_webhook()
    await api.holds(foreign, own)
    shown = await ada.open("/settings")
    assert "foreign.example" not in shown.text

    fields = shown.form(f"/settings/webhooks/{own.id}/remove")
    answer = await ada.client.post(f"/settings/webhooks/{foreign.id}/remove", data=fields)

    assert 404 == answer.status_code
    assert await api.store.read(ANOTHER_TENANT, WebhookSubscription, foreign.id)


# --- audit log ------------------------------------------------------------------------------------


async def test_the_log_is_filtered(api: Api, ada: Visitor) -> None:
    await api.holds(
        an_audit_entry(actor="bob", action="key.create", targets=["k-1"]),
        an_audit_entry(actor="cy", targets=["e-7"], created_at=now() - timedelta(days=40)),
        an_audit_entry(actor="dee", tenant_id=ANOTHER_TENANT),
    )

    def people(shown: str) -> set[str]:
        return {name for name in ("bob", "cy", "dee") if f"<span>{name}</span>" in shown}

    day = f"{now() - timedelta(days=2):%Y-%m-%d}"
    assert {"bob", "cy"} == people((await ada.open("/audit")).html)
    assert {"bob"} == people((await ada.open("/audit?action=key.create&by=&since=")).html)
    assert {"cy"} == people((await ada.open("/audit?by=cy")).html)
    assert {"cy"} == people((await ada.open("/audit?target=e-7")).html)
    assert {"bob"} == people((await ada.open(f"/audit?since={day}")).html)
    assert {"cy"} == people((await ada.open(f"/audit?until={day}")).html)
    assert "Nothing was changed like that" in (await ada.open("/audit?by=nobody")).text
    assert 400 == (await ada.open("/audit?since=soon")).status


async def test_what_an_admin_does_on_a_page_is_on_the_log(ada: Visitor) -> None:
    await ada.open("/settings")
    await ada.send("/settings/keys", name="nightly", roles=["viewer"])

    shown = await ada.open("/audit?action=key.create")

    assert "key.create ada page, user-token" in shown.text
