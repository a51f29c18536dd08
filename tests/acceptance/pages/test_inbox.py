"""The inbox in a real browser: from the login to an empty inbox, by mouse, by keys, and without
scripts.
"""

from datetime import timedelta

import pytest
from playwright.async_api import Browser, expect

from blocks.contracts.records import ApprovalRecord
from blocks.ports import Query
from blocks.security.api_keys import create_key
from tests.support.api.credentials import a_token
from tests.support.api.served_api import ServedApi
from tests.support.factories import an_approval, now
from tests.support.pages.browser import a_person, is_at, layout_shift, sign_in

pytestmark = pytest.mark.long


async def some_wait(api: ServedApi, tenant: str) -> None:
    """Three that wait, one of them overdue."""
    ago = now() - timedelta(hours=30)
    for approval in (
        an_approval(subject="Northwind renewal", tenant_id=tenant, execution_id=None),
        an_approval(
            subject="Contoso expansion", tenant_id=tenant, execution_id=None, amount=84_000.0
        ),
        an_approval(
            subject="Fabrikam pilot",
            tenant_id=tenant,
            execution_id=None,
            requested_by="olga",
            requested_at=ago,
            due_at=now() - timedelta(hours=6),
        ),
    ):
        await api.store.create(tenant, approval)


async def outcomes(api: ServedApi, tenant: str) -> list[tuple[str, str | None, str | None]]:
    """Status, who and why of all."""
    found = await api.store.query(tenant, Query(ApprovalRecord, {}))
    return [(one.record.status, one.record.decided_by, one.record.comment) for one in found.items]


async def test_several_are_decided_at_once_after_a_login_with_a_key(
    api: ServedApi, browser: Browser, tenant: str
) -> None:
    await some_wait(api, tenant)
    key, _ = await create_key(api.store, tenant, "ann", ["approver"], lives=timedelta(hours=1))
    async with a_person(browser, api.url) as page:
        await sign_in(page, key, to="/inbox")
        for tick in await page.get_by_role("checkbox").all():
            await tick.check()
        await page.get_by_label("Reason").fill("seen")
        await page.get_by_role("button", name="Approve ticked").click()

        await expect(page.get_by_text("3 approved.")).to_be_visible()
        await expect(page.get_by_text("Nothing waits for you")).to_be_visible()
    assert [("approved", "key:ann", "seen")] * 3 == await outcomes(api, tenant)


async def test_keys_alone_sign_in_move_and_decide(
    api: ServedApi, browser: Browser, tenant: str
) -> None:
    await some_wait(api, tenant)
    async with a_person(browser, api.url) as page:
        await page.goto("/inbox")
        await page.keyboard.type(a_token("approver", tenant_id=tenant))
        await page.keyboard.press("Enter")
        await is_at(page, "/inbox")

        for key in ("j", "j", "k", "r", "Enter"):  # the first row; Enter is on the button
            await page.keyboard.press(key)
        await expect(page.get_by_text("1 rejected.")).to_be_visible()
        for key in ("j", "x", "j", "x", "a", "Enter"):
            await page.keyboard.press(key)

        await expect(page.get_by_text("2 approved.")).to_be_visible()
    assert ["approved", "approved", "rejected"] == sorted(
        status for status, _, _ in await outcomes(api, tenant)
    )


async def test_without_scripts_everything_is_decided_too(
    api: ServedApi, browser: Browser, tenant: str
) -> None:
    await some_wait(api, tenant)
    async with a_person(browser, api.url, scripts=False) as page:
        await sign_in(page, a_token("approver", tenant_id=tenant), to="/inbox")
        await page.get_by_label("Tick Fabrikam pilot").check()
        await page.get_by_role("button", name="Reject ticked").click()

        await expect(page.get_by_text("1 rejected.")).to_be_visible()
        await page.get_by_text("ann", exact=True).first.click()
        await page.get_by_role("button", name="Sign out").click()
        await is_at(page, "/login")


async def test_what_comes_in_shows_by_itself_and_moves_nothing_else(
    api: ServedApi, browser: Browser, tenant: str
) -> None:
    await some_wait(api, tenant)
    async with a_person(browser, api.url) as page:
        await sign_in(page, a_token("approver", tenant_id=tenant), to="/inbox")
        await api.store.create(
            tenant, an_approval(subject="Adatum upsell", tenant_id=tenant, execution_id=None)
        )

        await expect(page.get_by_text("Adatum upsell")).to_be_visible()
        assert 0.1 > await layout_shift(page)


async def test_two_people_who_decide_at_once_are_both_answered(
    api: ServedApi, browser: Browser, tenant: str
) -> None:
    await api.store.create(
        tenant, an_approval(subject="Northwind", tenant_id=tenant, execution_id=None)
    )
    async with a_person(browser, api.url) as ann, a_person(browser, api.url) as bob:
        for page, user in ((ann, "ann"), (bob, "bob")):
            await sign_in(page, a_token("approver", tenant_id=tenant, user=user), to="/inbox")
            await page.get_by_label("Tick Northwind").check()
        await ann.get_by_role("button", name="Approve ticked").click()
        await expect(ann.get_by_text("1 approved.")).to_be_visible()
        await bob.get_by_role("button", name="Reject ticked").click()

        await expect(bob.get_by_role("alert")).to_contain_text(
            "not taken, it is already decided. ann approved it on "
        )
    assert [("approved", "ann", None)] == await outcomes(api, tenant)
