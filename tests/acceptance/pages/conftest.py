"""One browser for all tests of pages; an API per module."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser

from tests.support.api.served_api import ServedApi, served_api
from tests.support.pages.browser import a_chromium


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with a_chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
async def api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ServedApi]:
    async with served_api(tmp_path_factory.mktemp("api")) as api:
        yield api
