"""`python -m tests.screenshots`: every page of the real application, on a phone and a desktop,
light and dark.

Whole pages lie in `build/screenshots`, for a person to look at. With `--docs` the first view of
each, four in one picture, replaces what lies in `docs/images/pages`.
"""

import argparse
import asyncio
import tempfile
from datetime import timedelta
from itertools import product
from pathlib import Path

from playwright.async_api import Page

from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.roles import ROLES
from blocks.dead_letters import letters
from blocks.ports import RecordStore
from blocks.security import login_links
from blocks.security.signed_links import LinkClaims, issue, new_nonce, secret_of
from blocks.services import open_bus
from blocks.settings import load_settings
from blocks.topology import intake_queue, topology
from tests.screenshots.backfill import a_backfill
from tests.screenshots.company import ANALYSIS, Company
from tests.screenshots.seller import SYNC, journeys
from tests.screenshots.sheet import sheet_of
from tests.support.api.credentials import a_token
from tests.support.api.served_api import served_api
from tests.support.claims.records import A_USER
from tests.support.factories import A_TENANT, now
from tests.support.pages.browser import SCHEMES, Screen, a_chromium, a_person, sign_in

FOLDER = Path("build/screenshots")
SCREENS: tuple[Screen, ...] = ("desktop", "phone")
LOOKS = tuple(product(SCREENS, SCHEMES))
EMPTY_TENANT = "33333333-3333-4333-8333-333333333333"
SECRET = "x" * 32
"""Of links, as `served_api` has it."""


async def main(only: str, for_docs: bool) -> None:
    """Each page that `only` is part of has its pictures."""
    with tempfile.TemporaryDirectory() as folder:
        async with served_api(Path(folder)) as api, a_chromium() as browser:
            company = Company()
            shown = await _fill(api.store, Path(folder), company)
            for screen, scheme in LOOKS:
                for tenant, paths in shown.items():
                    async with a_person(browser, api.url, screen=screen, scheme=scheme) as page:
                        if tenant:
                            await sign_in(page, a_token(*ROLES, tenant_id=tenant), to="/inbox")
                        for name, path in paths.items():
                            if only in name:
                                await _take(page, path, f"{name}-{screen}-{scheme}")
    for paths in shown.values():
        for name in paths:
            if only in name and for_docs:
                sheet_of(FOLDER, name)


async def _fill(store: RecordStore, folder: Path, company: Company) -> dict[str, dict[str, str]]:
    """Paths by the name of their picture, by the tenant of who is signed in; empty: no one is."""
    settings = load_settings({"ORCHESTRATOR_DATA_DIR": str(folder)})
    async with open_bus(settings, "screenshots") as bus:
        await bus.declare(*topology(settings))
    for record in [*company.records, *journeys()]:
        await store.create(record.tenant_id, record)
    kept = [
        await letters.keep(store, intake_queue(settings).name, letter)
        for letter in reversed(company.letters)
    ]
    login, _ = await login_links.create_link(store, A_TENANT, ["approver"])
    link = LinkClaims(
        approval_id=company.staged,
        tenant_id=A_TENANT,
        recipient="fatima.haddad",
        outcomes=("approved", "rejected"),
        expires_at=now() + timedelta(days=2),
        nonce=new_nonce(),
    )
    valid = issue(secret_of(SECRET), link)
    return {
        "": {
            "login": "/login",
            "login-link": f"/login/{login}",
            "link": f"/hitl/links/{valid}/page",
        },
        A_TENANT: {
            "overview": "/",
            "inbox": "/inbox",
            "approval": f"/approvals/{company.staged}",
            "executions": "/executions",
            "execution": f"/executions/{company.completed}",
            "execution-running": f"/executions/{company.running}",
            "execution-failed": f"/executions/{company.failed}",
            "claims": "/claims",
            "claim": f"/claims/{SYNC}?userId={A_USER}",
            "workflows": "/workflows",
            "workflow": f"/workflows/{ANALYSIS}",
            "dead-letters": "/dead-letters",
            "dead-letter": f"/dead-letters/{kept[-1].record.id}",
            "settings": "/settings",
            "rules": "/settings/definitions",
            "rule": f"/settings/definitions/{ANALYSIS}",
            "audit": "/audit",
            "error": "/executions/11111111-1111-4111-8111-000000000000",
        },
        SYSTEM_TENANT: {
            "platform": "/",
            "platform-workflows": "/workflows",
            "job": "/workflows/outcome-sync",
            "backfill": await a_backfill(store),
            "events": "/events",
        },
        EMPTY_TENANT: {
            "first-run": "/",
            "inbox-empty": "/inbox",
            "executions-empty": "/executions",
            "settings-empty": "/settings",
        },
    }


async def _take(page: Page, path: str, name: str) -> None:
    await page.goto(path)
    await page.wait_for_load_state("networkidle")
    await page.screenshot(path=FOLDER / f"{name}.png", full_page=True, animations="disabled")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="of pages whose name contains this")
    parser.add_argument("--docs", action="store_true", help="replace the pictures of docs/")
    options = parser.parse_args()
    asyncio.run(main(options.only, options.docs))
