"""One API for all tests of its documents."""

from collections.abc import AsyncIterator, Mapping

import pytest

from blocks.contracts.events import JsonObject
from tests.support.api.api_client import Api, an_api

Documents = Mapping[str, JsonObject]


@pytest.fixture(scope="package")
async def api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    async with an_api(tmp_path_factory.mktemp("api"), APPROVAL_LINK_SECRET="x" * 32) as api:
        yield api


@pytest.fixture(scope="package")
async def documents(api: Api) -> Documents:
    """As they are served, by name."""
    return {
        name: (await api.client.get(f"/schema/{name}.json")).json()
        for name in ("openapi", "compatible")
    }
