"""On real processes: what a person does on a page is what runs, dead letters and jobs go on with,
and the page that is open shows it.
"""

import json
from collections.abc import AsyncIterator
from datetime import date

import httpx
import msgspec
import pytest
from playwright.async_api import Browser, Page, expect

from blocks.adapters.prefect.flow_runs import PrefectFlowRuns
from blocks.clock import utc_now
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.ports import Accept, Delivery, Verdict
from blocks.topology import batch_jobs_queue
from tests.support.analyses import (
    a_large_deal,
    an_opportunity,
    ended,
    execution_id_of,
    gated,
    recorded,
)
from tests.support.api.credentials import a_token
from tests.support.factories import new_id
from tests.support.pages.browser import a_person, layout_shift, same_page, sign_in
from tests.support.servers.prefect_server import PrefectServer
from tests.support.system.analysis_services import AnalysisServices, foreign_event
from tests.support.system.ledger import REQUESTED
from tests.support.system.orchestra import Orchestra, orchestra
from tests.support.waiting import eventually

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
async def parts(
    tmp_path_factory: pytest.TempPathFactory, prefect_server: PrefectServer
) -> AsyncIterator[Orchestra]:
    folder = tmp_path_factory.mktemp("pages")
    async with orchestra(folder, prefect_server, HITL_APPROVALS_ENABLED="true") as parts:
        for part in (parts.listener, parts.worker, parts.api):
            part.start()
        async with httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(retries=20)) as client:
            await client.get(f"{url_of(parts)}/health", timeout=60)
        yield parts


def url_of(parts: Orchestra) -> str:
    return f"http://127.0.0.1:{parts.settings.server.port}"


async def test_a_timeline_is_live_and_a_decision_resumes_its_suspended_run(
    parts: Orchestra, browser: Browser, flow_runs: PrefectFlowRuns, services: AnalysisServices
) -> None:
    services.silent.update(REQUESTED)
    event = a_large_deal()
    await parts.bus.publish(event)
    await recorded(parts, event, "running")
    path = f"/executions/{execution_id_of(event)}"
    async with a_person(browser, url_of(parts)) as page:
        await sign_in(page, a_token("approver", user="ann"), to=path)
        async with same_page(page):
            await expect(page.get_by_text("waiting for the answer").first).to_be_visible()
            await services.speak()
            await expect(page.get_by_text("Waits for a person")).to_be_visible(timeout=60_000)
            execution = await gated(parts, flow_runs, event)

            await decide_in_another_tab(page)
            await expect(page.get_by_role("heading", level=1)).to_contain_text(
                "completed", timeout=60_000
            )
            await expect(page.get_by_text("revenue expected")).to_be_visible()
        assert 0.1 > await layout_shift(page)

    execution = await ended(parts, event)
    approval = (execution.results or {})["approval"]
    assert ("ann", "page") == (approval["decidedBy"], approval["decidedThrough"])
    assert [1, 1, 1, 1] == [len(services.asked[request]) for request in REQUESTED]


async def decide_in_another_tab(page: Page) -> None:
    """The approval's page, which the execution names, is approved by the same person."""
    path = await page.get_by_role("link", name="See what is asked").get_attribute("href")
    tab = await page.context.new_page()
    await tab.goto(path or "")
    await tab.get_by_label("Reason").fill("seen")
    await tab.get_by_role("button", name="Approve").click()
    await expect(tab.get_by_text("Your decision is on the record")).to_be_visible()
    await tab.close()


async def test_a_rejection_in_the_inbox_ends_a_suspended_run(
    parts: Orchestra, browser: Browser, flow_runs: PrefectFlowRuns, services: AnalysisServices
) -> None:
    event = a_large_deal()
    await parts.bus.publish(event)
    await gated(parts, flow_runs, event)
    async with a_person(browser, url_of(parts)) as page:
        await sign_in(page, a_token("approver", user="ann"), to="/inbox")
        await page.get_by_role("checkbox").check()
        await page.get_by_label("Reason").fill("too early")
        await page.get_by_role("button", name="Reject ticked").click()
        await expect(page.get_by_text("1 rejected.")).to_be_visible()

    execution = await ended(parts, event)
    assert ("failed", "approval-rejected") == (execution.status, execution.error_code)


async def test_a_dead_letter_is_mended_replayed_and_done(
    parts: Orchestra, browser: Browser, services: AnalysisServices
) -> None:
    event = an_opportunity()
    whole = json.loads(event.body)
    broken = {**whole, "data": {}}
    await parts.bus.publish(msgspec.structs.replace(event, body=json.dumps(broken).encode()))
    async with a_person(browser, url_of(parts)) as page:
        await sign_in(page, a_token("admin", user="ada"), to="/dead-letters")
        await page.get_by_role("link", name=whole["type"]).click()  # which comes by itself
        text = page.get_by_label("The event, as it should have been")
        assert broken == json.loads(await text.input_value())

        await text.fill("{")
        await page.get_by_role("button", name="Save and replay").click()
        await expect(page.get_by_role("alert")).to_contain_text("is not JSON")
        await text.fill(json.dumps(whole))
        await page.get_by_role("button", name="Save and replay").click()
        await expect(page.get_by_text("Saved, and back in its queue.")).to_be_visible()

    assert "completed" == (await ended(parts, event)).status


async def test_a_backfill_shows_how_its_pieces_end(parts: Orchestra, browser: Browser) -> None:
    job, platform = "risk-snapshot-backfill", a_token("operator", tenant_id=SYSTEM_TENANT)
    triggers: list[object] = []

    async def take(delivery: Delivery) -> Verdict:
        metadata = json.loads(delivery.message.body)["data"]["metadata"]
        triggers.append({name: metadata[name] for name in ("from", "to")})
        return Accept()

    async with (
        parts.bus.consume(batch_jobs_queue(parts.settings), take, concurrency=1),
        a_person(browser, url_of(parts)) as page,
    ):
        await sign_in(page, platform, to=f"/workflows/{job}")
        await page.get_by_label("First day").fill(str(date(2026, 1, 1)))
        await page.get_by_label("Last day").fill(str(date(2026, 1, 10)))
        await page.get_by_role("button", name="Start the backfill").click()
        await expect(page.get_by_text("0 of 2 pieces have ended; 2 are triggered.")).to_be_visible()

        await eventually(lambda: are(2, triggers), within_seconds=60)
        async with same_page(page):
            for count in (1, 2):
                await parts.bus.publish(
                    foreign_event(
                        SYSTEM_TENANT,
                        "workflow.job.completed",
                        {"job": job, "status": "success", "completedAt": utc_now().isoformat()},
                        id=new_id(),
                    )
                )
                await expect(page.get_by_text(f"{count} of 2 pieces have ended")).to_be_visible()
        assert 0.1 > await layout_shift(page)
    days = [{"from": "2026-01-01", "to": "2026-01-07"}, {"from": "2026-01-08", "to": "2026-01-10"}]
    assert days == sorted(triggers, key=str)


async def are(count: int, some: list[object]) -> bool:
    return len(some) >= count
