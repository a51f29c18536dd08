"""The first login of a new tenant, by a link or by a key; and its first event arrives."""

from datetime import timedelta

import pytest
from playwright.async_api import Browser, expect

from blocks.security import login_links
from blocks.security.api_keys import create_key
from tests.support.api.served_api import ServedApi
from tests.support.factories import an_execution
from tests.support.pages.browser import a_person, is_at, same_page, sign_in

pytestmark = pytest.mark.long


async def test_a_link_signs_in_once(api: ServedApi, browser: Browser, tenant: str) -> None:
    token, _ = await login_links.create_link(api.store, tenant, ["approver"])
    async with a_person(browser, api.url) as ann, a_person(browser, api.url) as bob:
        for page in (ann, bob):
            await page.goto(f"/login/{token}")
        await ann.get_by_role("button", name="Sign in").click()
        await is_at(ann, "/")
        await expect(ann.get_by_role("link", name="Inbox")).to_be_visible()

        await bob.get_by_role("button", name="Sign in").click()
        await expect(bob.get_by_text("has been used")).to_be_visible()
        await expect(bob.get_by_label("Key or token")).to_be_visible()


async def test_after_the_login_with_a_key_the_first_event_is_seen_to_arrive(
    api: ServedApi, browser: Browser, tenant: str
) -> None:
    key, _ = await create_key(api.store, tenant, "ann", ["viewer"], lives=timedelta(hours=1))
    async with a_person(browser, api.url) as page:
        await page.goto("/")
        await is_at(page, "/login")
        await page.get_by_label("Key or token").fill("no such key")
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("alert")).to_be_visible()

        await sign_in(page, key)
        await expect(page.get_by_text("No event has arrived yet.")).to_be_visible()
        execution = an_execution(tenant_id=tenant, subject="Northwind renewal")
        async with same_page(page):
            await api.store.create(tenant, execution)
            await expect(page.get_by_text("The first event has arrived.")).to_be_visible()
        await page.get_by_role("link", name="Watch its execution").click()
        await is_at(page, f"/executions/{execution.id}")
