"""On real processes: what a person decides on a page is what a suspended run goes on with."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from blocks.adapters.prefect.flow_runs import PrefectFlowRuns
from tests.support.analyses import a_large_deal, ended, gated
from tests.support.api.credentials import a_token
from tests.support.pages.browser import a_person, sign_in
from tests.support.servers.prefect_server import PrefectServer
from tests.support.system.analysis_services import AnalysisServices
from tests.support.system.ledger import REQUESTED, TERMINAL, Ledger
from tests.support.system.orchestra import Orchestra, orchestra

pytestmark = pytest.mark.long


@pytest.fixture
async def parts(tmp_path: Path, prefect_server: PrefectServer) -> AsyncIterator[Orchestra]:
    async with orchestra(tmp_path, prefect_server, HITL_APPROVALS_ENABLED="true") as parts:
        for part in (parts.listener, parts.worker, parts.api):
            part.start()
        yield parts


@pytest.mark.parametrize(
    ("button", "outcome"), [("Approve ticked", "approved"), ("Reject ticked", "rejected")]
)
async def test_a_decision_in_the_inbox_resumes_the_run(
    parts: Orchestra,
    browser: Browser,
    flow_runs: PrefectFlowRuns,
    services: AnalysisServices,
    ledger: Ledger,
    button: str,
    outcome: str,
) -> None:
    event = a_large_deal()
    await parts.bus.publish(event)
    await gated(parts, flow_runs, event)

    url = f"http://127.0.0.1:{parts.settings.server.port}"
    async with a_person(browser, url) as page:
        await sign_in(page, a_token("approver", user="ann"), to="/inbox")
        await page.get_by_role("checkbox").check()
        await page.get_by_label("Reason").fill("seen")
        await page.get_by_role("button", name=button).click()
        await expect(page.get_by_text(f"1 {outcome}.")).to_be_visible()

    execution = await ended(parts, event)
    is_approved = outcome == "approved"
    assert ("completed" if is_approved else "failed") == execution.status
    assert (None if is_approved else "approval-rejected") == execution.error_code
    assert 1 == len(await ledger.published(*TERMINAL))
    assert [1, 1, 1, 1] == [len(services.asked[request]) for request in REQUESTED]
    if is_approved:
        approval = (execution.results or {})["approval"]
        assert ("ann", "page") == (approval["decidedBy"], approval["decidedThrough"])
