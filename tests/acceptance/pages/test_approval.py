"""An approval's page and the page behind a link in a real browser: two people at once, keys alone,
and what is too late.
"""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from blocks.contracts.records import ApprovalRecord
from tests.support.api.approval_links import a_token as a_link
from tests.support.api.credentials import a_token
from tests.support.api.served_api import ServedApi
from tests.support.factories import an_approval, now
from tests.support.pages.browser import a_person, same_page, sign_in
from tests.support.pages.furnished import FORM

pytestmark = pytest.mark.long


async def asked(api: ServedApi, tenant: str, **changes: Any) -> ApprovalRecord:
    facts = {"tenant_id": tenant, "execution_id": None, "subject": "Northwind renewal"}
    approval = an_approval(**(facts | changes))
    return (await api.store.create(tenant, approval)).record


async def now_of(api: ServedApi, approval: ApprovalRecord) -> ApprovalRecord:
    return (await api.store.read(approval.tenant_id, ApprovalRecord, approval.id)).record


def link_to(approval: ApprovalRecord, **claims: Any) -> str:
    return f"/api/v1/hitl/links/{a_link(approval, **claims)}/page"


async def test_of_two_who_decide_at_once_the_second_reads_who_was_first_and_when(
    api: ServedApi, browser: Browser, tenant: str
) -> None:
    approval = await asked(api, tenant)
    path = f"/approvals/{approval.id}"
    async with a_person(browser, api.url) as ann, a_person(browser, api.url) as bob:
        for page, user in ((ann, "ann"), (bob, "bob")):
            await sign_in(page, a_token("approver", tenant_id=tenant, user=user), to=path)
        await asyncio.gather(
            ann.get_by_role("button", name="Approve").click(),
            bob.get_by_role("button", name="Reject").click(),
        )
        await asyncio.gather(
            *(expect(one.locator(".notice")).to_be_visible() for one in (ann, bob))
        )
        decided = await now_of(api, approval)
        by, at = decided.decided_by, decided.decided_at
        first, second = (ann, bob) if by == "ann" else (bob, ann)

        assert at
        sentence = f"{by} {decided.status} it on {at:%Y-%m-%d at %H:%M} UTC through its page."
        await expect(first.get_by_role("status").first).to_contain_text(
            f"Your decision is on the record. {sentence}"
        )
        await expect(second.get_by_role("alert")).to_contain_text(f"already decided. {sentence}")


async def test_who_only_looks_sees_the_decision_by_itself(
    api: ServedApi, browser: Browser, tenant: str
) -> None:
    approval = await asked(api, tenant)
    path = f"/approvals/{approval.id}"
    async with a_person(browser, api.url) as ann, a_person(browser, api.url) as vic:
        await sign_in(vic, a_token("viewer", tenant_id=tenant, user="vic"), to=path)
        await sign_in(ann, a_token("approver", tenant_id=tenant, user="ann"), to=path)
        async with same_page(vic):
            await ann.get_by_role("button", name="Approve").click()
            await expect(vic.get_by_text("ann approved it on")).to_be_visible()
            await expect(vic.locator("#history")).to_contain_text("ann")


@pytest.mark.parametrize(("key", "outcome"), [("a", "approved"), ("r", "rejected")])
async def test_keys_alone_decide(
    api: ServedApi, browser: Browser, tenant: str, key: str, outcome: str
) -> None:
    approval = await asked(api, tenant)
    async with a_person(browser, api.url) as page:
        await sign_in(page, a_token("approver", tenant_id=tenant), to=f"/approvals/{approval.id}")
        await page.keyboard.press(key)
        assert "pending" == (await now_of(api, approval)).status
        await page.keyboard.press("Enter")
        await expect(page.get_by_text("Your decision is on the record")).to_be_visible()
    assert outcome == (await now_of(api, approval)).status


async def test_a_link_decides_on_a_phone_and_reads_its_decision_afterwards(
    api: ServedApi, browser: Browser, tenant: str
) -> None:
    approval = await asked(api, tenant, form_schema=FORM)
    async with a_person(browser, api.url, screen="phone") as page:
        await page.goto(link_to(approval, recipient="ann"))
        await page.get_by_role("link", name="Decide").click()
        await page.get_by_label("Limit").fill("7")
        await page.get_by_role("button", name="Approve").click()
        await says(page, "ann approved it on")
    decided = await now_of(api, approval)
    assert ("approved", "ann") == (decided.status, decided.decided_by)
    assert 7 == (decided.decisions[0].form or {})["limit"]


async def test_an_expired_link_decides_nothing_and_says_what_to_do(
    api: ServedApi, browser: Browser, tenant: str
) -> None:
    approval = await asked(api, tenant)
    async with a_person(browser, api.url) as page:
        await page.goto(link_to(approval, seconds=-1))
        await expect(page.get_by_role("heading", level=1)).to_contain_text("expired")
        await says(page, "ask whoever sent the link")
        await expect(page.get_by_role("button")).to_have_count(0)

        await page.goto(f"/api/v1/hitl/links/{a_link(approval)[:-4]}/page")
        await says(page, "Copy the whole link")
    assert "pending" == (await now_of(api, approval)).status


async def test_a_link_to_what_expired_meanwhile_decides_nothing(
    api: ServedApi, browser: Browser, tenant: str
) -> None:
    approval = await asked(api, tenant, expires_at=now() - timedelta(seconds=1))
    async with a_person(browser, api.url) as page:
        await page.goto(link_to(approval))
        await says(page, "Its time is over: it can no longer be decided.")
        await expect(page.get_by_role("button")).to_have_count(0)


async def says(page: Page, text: str) -> None:
    await expect(page.get_by_role("main")).to_contain_text(text)
