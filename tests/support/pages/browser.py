"""People at a real browser without a window: Debian's Chromium, driven by Playwright."""

import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

import msgspec
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, StorageState, async_playwright, expect

from tests.support.servers.browser import chromium

Session = StorageState
Scheme = Literal["light", "dark"]
Screen = Literal["desktop", "phone"]

SCHEMES: tuple[Scheme, ...] = ("light", "dark")
SCREENS: tuple[Screen, ...] = ("desktop", "phone")
_SIZES = {"desktop": (1280, 800), "phone": (390, 844)}

PICTURES = Path("build/pages")
"""Where screenshots lie, for a person to look at."""

expect.set_options(timeout=60_000)

_SHIFT = """() => new Promise(resolve => {
    let sum = 0;
    const observer = new PerformanceObserver(list => {
        for (const entry of list.getEntries()) if (!entry.hadRecentInput) sum += entry.value;
    });
    observer.observe({type: "layout-shift", buffered: true});
    setTimeout(() => { observer.disconnect(); resolve(sum); }, 100);
})"""


class Fault(msgspec.Struct, frozen=True):
    """What keeps someone from using a page; axe's rule, the elements, and why."""

    rule: str
    elements: list[str]
    why: str


@asynccontextmanager
async def a_chromium() -> AsyncIterator[Browser]:
    """One process; each person has cookies of their own in it."""
    as_root = ["--no-sandbox"] if os.geteuid() == 0 else []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium(), args=["--disable-dev-shm-usage", *as_root]
        )
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def a_person(
    browser: Browser,
    url: str,
    *,
    screen: Screen = "desktop",
    scheme: Scheme = "light",
    scripts: bool = True,
    session: Session | None = None,
) -> AsyncIterator[Page]:
    """A tab, in which no one is signed in unless a session is named; paths are below the URL.

    At the end no script has failed, and nothing was refused by the content security policy.
    """
    width, height = _SIZES[screen]
    context = await browser.new_context(
        base_url=url,
        viewport={"width": width, "height": height},
        color_scheme=scheme,
        java_script_enabled=scripts,
        is_mobile=screen == "phone",
        has_touch=screen == "phone",
        timezone_id="Europe/Berlin",
        locale="en-GB",
        storage_state=session,
    )
    page = await context.new_page()
    page.set_default_timeout(60_000)
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on(
        "console",
        lambda line: problems.append(line.text) if "Content Security" in line.text else None,
    )
    try:
        yield page
    finally:
        await context.close()
    assert not problems, problems


async def sign_in(page: Page, credential: str, to: str = "/") -> None:
    """The page of this path is open, which asked for the login before."""
    await page.goto(to)
    await page.get_by_label("Key or token").fill(credential)
    await page.get_by_role("button", name="Sign in").click()
    await is_at(page, to)


async def session_of(browser: Browser, url: str, credential: str) -> Session:
    """Cookies of someone who has signed in with it, for other tabs."""
    async with a_person(browser, url) as page:
        await sign_in(page, credential)
        return await page.context.storage_state()


async def is_at(page: Page, path: str) -> None:
    """The page of this path is open, and complete."""
    await page.wait_for_url(re.compile(f"^[^?]*{re.escape(path)}$"))


async def faults_of(page: Page) -> list[Fault]:
    """What axe finds on the open page that is serious or critical (WCAG 2.2 A and AA included)."""
    found = await Axe().run(page)
    return [
        Fault(
            one["id"],
            [str(node["html"]) for node in one["nodes"]],
            str(one["nodes"][0]["failureSummary"]),
        )
        for one in found.response["violations"]
        if one["impact"] in ("serious", "critical")
    ]


async def layout_shift(page: Page) -> float:
    """How much of the open page moved by itself since it was opened; below 0.1 is good.

    https://web.dev/articles/cls
    """
    return float(await page.evaluate(_SHIFT))


@asynccontextmanager
async def same_page(page: Page) -> AsyncIterator[None]:
    """What happens in the context happens on the open page: it is not loaded again."""
    await page.evaluate("window.isSame = true")
    yield
    assert await page.evaluate("window.isSame === true"), "the page was loaded again"


async def is_too_wide(page: Page) -> bool:
    """Whether one must scroll sideways."""
    return bool(await page.evaluate("document.documentElement.scrollWidth > window.innerWidth"))


async def picture(page: Page, name: str) -> None:
    """A screenshot of the whole page lies in `PICTURES`, which is made if need be."""
    # To hide the caret, Playwright styles inputs in place, and our policy refuses the style when
    # htmx copies it.
    await page.screenshot(path=PICTURES / f"{name}.png", full_page=True, caret="initial")
