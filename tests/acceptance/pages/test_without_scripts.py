"""A browser without JavaScript: everything that decides works there, too."""

import re
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Page, expect

from blocks.contracts.analysis import WORKFLOW
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.records import (
    ApiKeyRecord,
    ApprovalRecord,
    ExecutionRecord,
    WorkflowDefinition,
)
from blocks.contracts.records.dead_letters import DeadLetterRecord
from blocks.contracts.roles import ROLES
from blocks.ports import Query
from tests.support.api.approval_links import a_token as a_link
from tests.support.api.credentials import a_token
from tests.support.api.served_api import ServedApi
from tests.support.factories import an_execution
from tests.support.pages.browser import a_person, sign_in
from tests.support.pages.furnished import Furnished, furnish

pytestmark = pytest.mark.long


@pytest.fixture
async def furnished(api: ServedApi, tenant: str) -> Furnished:
    return await furnish(api.store, tenant)


@pytest.fixture
async def page(api: ServedApi, browser: Browser, tenant: str) -> AsyncIterator[Page]:
    """Ann may do everything."""
    async with a_person(browser, api.url, scripts=False) as page:
        await sign_in(page, a_token(*ROLES, tenant_id=tenant), to="/inbox")
        yield page


async def presses(page: Page, button: str) -> None:
    await page.get_by_role("button", name=button, exact=True).click()


async def reads(page: Page, text: str) -> None:
    await expect(page.get_by_role("main")).to_contain_text(text)


async def approval_at(api: ServedApi, tenant: str, path: str) -> ApprovalRecord:
    return (await api.store.read(tenant, ApprovalRecord, path.split("/")[2])).record


async def test_an_approval_is_decided_with_its_form(
    api: ServedApi, page: Page, tenant: str, furnished: Furnished
) -> None:
    path = furnished.of_tenant["approval"]
    await page.goto(path)
    await page.get_by_label("Limit").fill("7")
    await page.get_by_label("Region").select_option(label="south")
    await page.get_by_label("Reason").fill("good margin")
    await presses(page, "Approve")
    await reads(page, "Your decision is on the record")

    decided = await approval_at(api, tenant, path)
    assert ("approved", "good margin") == (decided.status, decided.comment)
    assert {"limit": 7, "region": "south"}.items() <= (decided.decisions[0].form or {}).items()


async def test_a_question_is_asked_and_answered(
    page: Page, tenant: str, furnished: Furnished
) -> None:
    await page.goto(furnished.of_tenant["approval"])
    await page.get_by_text("Send back with a question").click()
    await page.get_by_label("What do you need to know?").fill("For how long?")
    await presses(page, "Send the question")
    await reads(page, "For how long?")

    await page.get_by_label("Your answer").fill("Two years")
    await presses(page, "Answer")
    await reads(page, "Two years")


async def test_a_link_decides(
    api: ServedApi, browser: Browser, tenant: str, furnished: Furnished
) -> None:
    approval = await approval_at(api, tenant, furnished.of_tenant["approval"])
    async with a_person(browser, api.url, scripts=False) as page:
        await page.goto(f"/api/v1/hitl/links/{a_link(approval)}/page")
        await presses(page, "Reject")
        await reads(page, "ann rejected it on")


async def test_a_smart_prompt_is_answered(page: Page, furnished: Furnished) -> None:
    await page.goto(furnished.of_tenant["claim"])
    await page.get_by_role("region", name="Does it prove").get_by_role("button").first.click()
    await reads(page, "Answer recorded.")


async def test_a_dead_letter_is_mended(
    api: ServedApi, page: Page, tenant: str, furnished: Furnished
) -> None:
    path = furnished.of_tenant["dead-letter"]
    await page.goto(path)
    text = page.get_by_label("The event, as it should have been")
    whole = (await text.input_value()).replace("order.placed", "integration.opportunity.updated")
    await text.fill(whole.replace('"data": {}', '"data": {"opportunityId": "o-1"}'))
    await presses(page, "Save only")
    await reads(page, "integration.opportunity.updated")
    await page.get_by_label("Reason to discard it").fill("a test of theirs")
    await presses(page, "Discard")
    await reads(page, "discarded by ann")

    letter = (await api.store.read(tenant, DeadLetterRecord, path.split("/")[2])).record
    assert "discarded" == letter.status


async def test_an_execution_is_cancelled_and_retried(
    api: ServedApi, page: Page, tenant: str
) -> None:
    execution = an_execution(tenant_id=tenant)
    await api.store.create(tenant, execution)
    await page.goto(f"/executions/{execution.id}")
    await page.locator("summary", has_text="Cancel execution").click()
    await page.get_by_label("Reason").fill("by mistake")
    await presses(page, "Cancel execution")
    await reads(page, "by mistake")
    await page.locator("summary", has_text="Retry").click()
    await presses(page, "Retry")
    await reads(page, "It is tried again")


async def test_an_analysis_is_started(api: ServedApi, page: Page, tenant: str) -> None:
    await page.goto(f"/workflows/{WORKFLOW}")
    await page.get_by_label("Subject").fill("Northwind renewal")
    await presses(page, "Start")
    await reads(page, "Northwind renewal")

    found = await api.store.query(tenant, Query(ExecutionRecord, {"subject": "Northwind renewal"}))
    assert 1 == len(found.items)


async def test_a_backfill_is_started_and_looked_at_again(api: ServedApi, browser: Browser) -> None:
    platform = a_token("operator", tenant_id=SYSTEM_TENANT)
    async with a_person(browser, api.url, scripts=False) as page:
        await sign_in(page, platform, to="/workflows/risk-snapshot-backfill")
        await page.get_by_label("First day").fill("2026-02-01")
        await page.get_by_label("Last day").fill("2026-02-10")
        await presses(page, "Start the backfill")
        await reads(page, "0 of 2 pieces have ended; 2 are triggered.")
        await page.reload()
        await reads(page, "0 of 2 pieces have ended; 2 are triggered.")


async def test_a_rule_is_checked_saved_and_taken_back(
    api: ServedApi, page: Page, tenant: str, furnished: Furnished
) -> None:
    await page.goto(furnished.of_tenant["definition-json"])
    text = page.get_by_label("Definition")
    await text.fill("{")
    await presses(page, "Check")
    await reads(page, "Not right yet")
    await text.fill('{"approval": {"enabled": true, "minAmount": 7}}')
    await presses(page, "Save")
    await reads(page, "Saved")
    stored = (await api.store.read(tenant, WorkflowDefinition, WORKFLOW)).record
    assert 7 == stored.approval.min_amount

    await page.locator("summary", has_text="Back to the defaults").click()
    await presses(page, "Back to the defaults")
    await reads(page, "The platform's defaults hold.")


async def test_a_rule_is_written_in_rows(
    api: ServedApi, page: Page, tenant: str, furnished: Furnished
) -> None:
    await page.goto(furnished.of_tenant["definition"])
    await presses(page, "Add a condition")
    condition = page.get_by_role("group", name=re.compile("^Condition ")).last
    await condition.get_by_label("Field").fill("subject.amount")
    await condition.get_by_label("Value").fill("much")
    await presses(page, "Save")
    await reads(page, "Not right yet")
    await condition.get_by_label("Value").fill("250000")
    await presses(page, "Save")
    await reads(page, "Saved")

    stored = (await api.store.read(tenant, WorkflowDefinition, WORKFLOW)).record
    [*_, last] = stored.approval.every_condition
    assert ("subject.amount", "gte", 250_000) == (last.path, last.op, last.value)


async def test_a_key_is_made_and_revoked(
    api: ServedApi, page: Page, tenant: str, furnished: Furnished
) -> None:
    await page.goto("/settings")
    await page.locator("summary", has_text="New key").click()
    await page.get_by_label("Name").fill("reports")
    await presses(page, "Make the key")
    assert "" != await page.get_by_label("Secret").input_value()
    await page.get_by_role("link", name="I have copied it").click()
    row = page.get_by_role("row", name="reports")
    await row.locator("summary").click()
    await row.get_by_role("button", name="Revoke").click()
    await reads(page, "is revoked")

    made = Query(ApiKeyRecord, {"tenant": tenant})
    keys = [one.record for one in (await api.store.query(SYSTEM_TENANT, made)).items]
    assert [True] == [one.revoked_at is not None for one in keys if one.name == "reports"]
