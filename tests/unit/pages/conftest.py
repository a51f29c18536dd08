"""An API whose pages are looked at, and who looks."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.api.api_client import Api, an_api
from tests.support.pages.visitor import Visitor, signed_in


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with an_api(tmp_path) as api:
        yield api


@pytest.fixture
async def ada(api: Api) -> AsyncIterator[Visitor]:
    async with signed_in(api.app, "admin", user="ada") as visitor:
        yield visitor


@pytest.fixture
async def ann(api: Api) -> AsyncIterator[Visitor]:
    async with signed_in(api.app, "approver", user="ann") as visitor:
        yield visitor
