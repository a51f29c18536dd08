"""One browser and one API for all tests of pages; each test has a tenant of its own."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from playwright.async_api import Browser

from tests.support.api.approval_links import SECRET
from tests.support.api.served_api import ServedApi, served_api
from tests.support.pages.browser import a_chromium


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with a_chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
async def api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ServedApi]:
    folder = tmp_path_factory.mktemp("api")
    async with served_api(folder, APPROVAL_LINK_SECRET=SECRET) as api:
        yield api


@pytest.fixture
def tenant() -> str:
    """Of one test alone."""
    return str(uuid4())
