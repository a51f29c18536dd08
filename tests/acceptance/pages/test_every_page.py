"""Every page in a real browser, on a desktop and on a phone, light and dark: axe finds no serious
fault, nothing is wider than the screen, nothing moves by itself.
"""

import re
from uuid import uuid4

import msgspec
import pytest
from playwright.async_api import Browser, Page

from api.pages.routes import PAGES
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.roles import ROLES
from tests.support.api.credentials import a_token
from tests.support.api.served_api import ServedApi
from tests.support.pages.browser import (
    SCHEMES,
    SCREENS,
    Screen,
    Session,
    a_person,
    faults_of,
    is_too_wide,
    layout_shift,
    picture,
    session_of,
)
from tests.support.pages.furnished import OF_NEW_TENANT, furnish

pytestmark = pytest.mark.long


class Visit(msgspec.Struct, frozen=True):
    """Paths by the name of the page, and the session of who opens them."""

    paths: dict[str, str]
    session: Session | None


@pytest.fixture(scope="module")
async def visits(api: ServedApi, browser: Browser) -> dict[str, Visit]:
    tenant, new_tenant = str(uuid4()), str(uuid4())
    furnished = await furnish(api.store, tenant)

    async def with_all_roles(tenant_id: str) -> Session:
        return await session_of(browser, api.url, a_token(*ROLES, tenant_id=tenant_id))

    return {
        "tenant": Visit(furnished.of_tenant, await with_all_roles(tenant)),
        "new-tenant": Visit(OF_NEW_TENANT, await with_all_roles(new_tenant)),
        "platform": Visit(furnished.of_platform, await with_all_roles(SYSTEM_TENANT)),
        "anyone": Visit(furnished.of_anyone, None),
    }


async def test_every_page_is_visited(visits: dict[str, Visit]) -> None:
    paths = [path.partition("?")[0] for one in visits.values() for path in one.paths.values()]
    readable = {path for one in PAGES if "GET" in one.http_methods for path in one.paths}

    pattern = {
        path: re.compile(re.sub(r"\\{[^}]*\\}", "[^/]+", re.escape(path))) for path in readable
    }
    assert [] == [one for one in readable if not any(pattern[one].fullmatch(it) for it in paths)]


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("who", ["tenant", "new-tenant", "platform", "anyone"])
async def test_no_page_has_a_serious_fault(
    api: ServedApi, browser: Browser, visits: dict[str, Visit], who: str, screen: Screen
) -> None:
    visit = visits[who]
    async with a_person(browser, api.url, screen=screen, session=visit.session) as page:
        found = {
            name: faults
            for name, path in visit.paths.items()
            if (faults := await _faults(page, path, f"{name}-{screen}"))
        }

    assert {} == found


async def _faults(page: Page, path: str, name: str) -> list[object]:
    response = await page.goto(path)
    assert response
    faults: list[object] = []
    if response.ok == name.startswith("error-"):
        faults.append(f"status {response.status}")
    for scheme in SCHEMES:
        await page.emulate_media(color_scheme=scheme)
        await picture(page, f"{name}-{scheme}")
        faults += await faults_of(page)
    if await is_too_wide(page):
        faults.append("wider than the screen")
    if (shift := await layout_shift(page)) >= 0.1:
        faults.append(f"moves by {shift}")
    return faults
