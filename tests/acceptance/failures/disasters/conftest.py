"""Servers whose data a test can take away."""

from collections.abc import AsyncIterator

import pytest

from blocks.adapters.prefect.flow_runs import PrefectFlowRuns
from tests.acceptance.failures.disasters.droppable import DroppablePrefect
from tests.support.servers.postgres import Postgres


@pytest.fixture
async def prefect(
    tmp_path_factory: pytest.TempPathFactory, postgres: Postgres
) -> AsyncIterator[DroppablePrefect]:
    server = DroppablePrefect(tmp_path_factory.mktemp("prefect"), postgres)
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture
async def flow_runs(prefect: DroppablePrefect) -> AsyncIterator[PrefectFlowRuns]:
    async with PrefectFlowRuns(prefect.api_url) as flow_runs:
        yield flow_runs
