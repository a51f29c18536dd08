"""`python -m tests.screenshots`: every page of the real application, on a phone and a desktop,
light and dark.

Whole pages lie in `build/screenshots`, for a person to look at. With `--docs` the first view of
each, four in one picture, replaces what lies in `docs/images/pages`.
"""

import argparse
import asyncio
import tempfile
from itertools import product
from pathlib import Path

from playwright.async_api import Page

from blocks.contracts.roles import ROLES
from tests.screenshots.pages import fill
from tests.screenshots.sheet import sheet_of
from tests.support.api.credentials import a_token
from tests.support.api.served_api import served_api
from tests.support.pages.browser import SCHEMES, Screen, a_chromium, a_person, sign_in

FOLDER = Path("build/screenshots")
SCREENS: tuple[Screen, ...] = ("desktop", "phone")
LOOKS = tuple(product(SCREENS, SCHEMES))


async def main(only: str, for_docs: bool) -> None:
    """Each page that `only` is part of has its pictures."""
    with tempfile.TemporaryDirectory() as folder:
        async with served_api(Path(folder)) as api, a_chromium() as browser:
            shown = await fill(api.store, Path(folder))
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
