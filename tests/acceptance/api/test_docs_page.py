"""`/docs` in a real browser: an execution is started from the page alone."""

import json
from pathlib import Path

import pytest

from blocks.contracts.roles import ROLES
from tests.support.api.credentials import a_service_token
from tests.support.api.served_api import served_api
from tests.support.factories import A_TENANT
from tests.support.servers.browser import a_browser
from tests.support.waiting import eventually

pytestmark = pytest.mark.long

OPERATION = "#operations-Executions-startExecution"
TYPE = """(index, text) => {
  const field = document.querySelectorAll('.auth-container input')[index];
  Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value').set.call(field, text);
  field.dispatchEvent(new Event('input', {bubbles: true}));
}"""


async def test_an_execution_is_started_with_a_key_and_the_example(tmp_path: Path) -> None:
    token = a_service_token(*ROLES)
    async with (
        served_api(tmp_path / "data") as api,
        a_browser(tmp_path) as browser,
        browser.page(f"{api.url}/docs") as page,
    ):

        async def click(selector: str) -> None:
            every = f"[...document.querySelectorAll({json.dumps(selector)})]"
            await eventually(lambda: page.evaluates(f"{every}.length > 0"), within_seconds=60)
            await page.evaluates(f"{every}.forEach(button => button.click())")

        async def shows(text: str) -> bool:
            return text in await page.reads()

        await click("button.btn.authorize.unlocked")
        await eventually(lambda: shows("X-Tenant-ID"), within_seconds=30)
        for index, value in enumerate((token, A_TENANT)):
            await page.evaluates(f"({TYPE})({index}, {json.dumps(value)})")
        await click(".auth-btn-wrapper .authorize")
        await click(".btn-done")
        await click(f"{OPERATION} .opblock-summary-control")
        await click(f"{OPERATION} .execute")

        answered = f"{OPERATION} .live-responses-table .response-col_status"

        async def is_created() -> bool:
            shown = await page.evaluates(
                f"[...document.querySelectorAll({json.dumps(answered)})].map(one => one.innerText)"
            )
            return any("201" in one for one in shown)

        await eventually(is_created, within_seconds=60)
        elsewhere = [url for url, _ in page.received if not url.startswith((api.url, "data:"))]
        assert [] == elsewhere
