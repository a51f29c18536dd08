"""Without a mouse: what has the focus is always seen, and the first key skips the navigation."""

from typing import Any
from uuid import uuid4

import pytest
from playwright.async_api import Browser, Page, expect

from blocks.contracts.roles import ROLES
from tests.support.api.credentials import a_token
from tests.support.api.served_api import ServedApi
from tests.support.pages.browser import SCREENS, Screen, Session, a_person, session_of
from tests.support.pages.furnished import Furnished, furnish

pytestmark = pytest.mark.long

STOPS_MAX = 60
"""Of one page; more are of the same kinds."""

_FOCUS = """() => {
    const at = document.activeElement;
    const style = getComputedStyle(at), box = at.getBoundingClientRect();
    return {
        what: at === document.body ? "" : at.outerHTML.slice(0, 120),
        isMarked: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0
            || style.boxShadow !== "none",
        isInView: box.width > 0 && box.bottom > 0 && box.top < innerHeight
            && box.right > 0 && box.left < innerWidth,
    };
}"""


@pytest.fixture(scope="module")
async def furnished(api: ServedApi, browser: Browser) -> tuple[Furnished, Session]:
    tenant = str(uuid4())
    session = await session_of(browser, api.url, a_token(*ROLES, tenant_id=tenant))
    return await furnish(api.store, tenant), session


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize(
    "name",
    ["overview", "inbox", "approval", "execution-failed", "claim", "dead-letter", "settings"],
)
async def test_what_has_the_focus_is_seen(
    api: ServedApi,
    browser: Browser,
    furnished: tuple[Furnished, Session],
    name: str,
    screen: Screen,
) -> None:
    pages, session = furnished
    async with a_person(browser, api.url, screen=screen, session=session) as page:
        await page.goto(pages.of_tenant[name])
        stops = await stops_of(page)

    assert 5 < len(stops)
    assert [] == [stop for stop in stops if not (stop["isMarked"] and stop["isInView"])]


async def stops_of(page: Page) -> list[dict[str, Any]]:
    """What the Tab key comes to, from the top of the page to its end."""
    stops: list[dict[str, Any]] = []
    while len(stops) < STOPS_MAX:
        await page.keyboard.press("Tab")
        stop = await page.evaluate(_FOCUS)
        if not stop["what"] or (stops and stop["what"] == stops[0]["what"]):
            break
        stops.append(stop)
    return stops


async def test_the_first_key_skips_the_navigation(
    api: ServedApi, browser: Browser, furnished: tuple[Furnished, Session]
) -> None:
    _, session = furnished
    async with a_person(browser, api.url, session=session) as page:
        await page.goto("/inbox")
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("main")).to_be_focused()
        await page.keyboard.press("Tab")
        assert await page.evaluate("document.activeElement.closest('main') !== null")


async def test_keys_move_open_and_let_go(
    api: ServedApi, browser: Browser, furnished: tuple[Furnished, Session]
) -> None:
    _, session = furnished
    async with a_person(browser, api.url, session=session) as page:
        await page.goto("/inbox")
        rows = page.locator("[data-row]")
        await page.keyboard.press("j")
        await expect(rows.nth(0).get_by_role("link")).to_be_focused()
        await page.keyboard.press("j")
        await expect(rows.nth(1).get_by_role("link")).to_be_focused()
        await page.keyboard.press("k")
        await expect(rows.nth(0).get_by_role("link")).to_be_focused()
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/approvals/*")
