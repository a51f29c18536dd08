"""Pages that are open keep up with what happens, without being loaded again and without moving."""

from collections.abc import AsyncIterator
from datetime import timedelta

import msgspec
import pytest
from playwright.async_api import Browser, Page, expect

from blocks.contracts.records import ExecutionRecord
from tests.support.api.credentials import a_token
from tests.support.api.served_api import ServedApi, served_api
from tests.support.factories import a_step, an_execution, now
from tests.support.journeys.carried import Carried, carried
from tests.support.pages.browser import SCREENS, Screen, a_person, layout_shift, same_page, sign_in
from tests.support.pages.furnished import RESULTS

pytestmark = pytest.mark.long


@pytest.mark.parametrize("screen", SCREENS)
async def test_the_timeline_of_an_analysis_is_live_to_its_end(
    api: ServedApi, browser: Browser, tenant: str, screen: Screen
) -> None:
    began = now() - timedelta(seconds=8)
    execution = an_execution(tenant_id=tenant, created_at=began)
    await api.store.create(tenant, execution)
    async with a_person(browser, api.url, screen=screen) as page:
        await sign_in(page, a_token("viewer", tenant_id=tenant), to=f"/executions/{execution.id}")
        async with same_page(page):
            await becomes(api, execution, status="running", started_at=began)
            await shows(page, "running")
            for step in ("risk_analysis", "forecast"):
                await api.store.create(
                    tenant, a_step(tenant_id=tenant, execution_id=execution.id, step=step)
                )
            await expect(page.get_by_label("completed").first).to_be_visible()
            await becomes(api, execution, status="completed", completed_at=now(), results=RESULTS)
            await shows(page, "completed")
            await expect(page.get_by_text("No champion").first).to_be_visible()
        assert 0.1 > await layout_shift(page)


async def becomes(api: ServedApi, execution: ExecutionRecord, **facts: object) -> None:
    stored = await api.store.read(execution.tenant_id, ExecutionRecord, execution.id)
    changed = msgspec.structs.replace(stored.record, **facts)
    await api.store.replace(execution.tenant_id, stored.etag, changed)


async def shows(page: Page, status: str) -> None:
    await expect(page.get_by_role("heading", level=1)).to_contain_text(status)


class Recovery(msgspec.Struct, frozen=True):
    """Claims that are really recovered, and an API on the same store."""

    api: ServedApi
    journeys: Carried


@pytest.fixture
async def recovery(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Recovery]:
    folder = tmp_path_factory.mktemp("recovery")
    async with carried(folder) as journeys, served_api(folder) as api:
        yield Recovery(api, journeys)


@pytest.mark.parametrize("screen", SCREENS)
async def test_the_line_of_a_claims_phases_is_live(
    recovery: Recovery, browser: Browser, screen: Screen
) -> None:
    journeys = recovery.journeys
    accepted = await journeys.trigger(1)
    async with a_person(browser, recovery.api.url, screen=screen) as page:
        await sign_in(page, a_token("viewer"), to="/claims")
        await page.get_by_role("link", name="sync-1").click()
        line = page.get_by_role("list", name="Phases").get_by_role("listitem")
        await expect(line).to_have_count(7)
        await expect(line.nth(0)).to_contain_text("busy")
        async with same_page(page):
            await journeys.carry(accepted.execution_id)
            await expect(line.nth(3)).to_contain_text("done")
            [claim, *_] = await journeys.claims(accepted.execution_id)
            await expect(page.get_by_text(claim.claim_id).first).to_be_visible()

            await journeys.triggered(7, claim_id=claim.claim_id, amount=250.75)
            await expect(line.nth(6)).to_contain_text("done")
            await expect(page.get_by_text("250.75 USD").first).to_be_visible()
        assert 0.1 > await layout_shift(page)
