"""What tests of a running system look at it with. Each test module has its own `parts`: the system
as it wants it.
"""

from collections.abc import AsyncIterator, Iterator

import pytest
from prefect.client.orchestration import PrefectClient, get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from blocks.adapters.prefect.flow_runs import PrefectFlowRuns
from tests.support.servers.cosmos import CosmosEmulator
from tests.support.servers.prefect_server import PrefectServer
from tests.support.servers.rabbitmq import RabbitMQNode
from tests.support.system.analysis_services import AnalysisServices, services_on
from tests.support.system.ledger import Ledger, ledger_of
from tests.support.system.linked import Links, links_to
from tests.support.system.orchestra import Orchestra


@pytest.fixture
async def ledger(parts: Orchestra) -> AsyncIterator[Ledger]:
    """Everything that goes over the exchange."""
    async with ledger_of(parts.bus, parts.name) as ledger:
        yield ledger


@pytest.fixture
async def services(parts: Orchestra) -> AsyncIterator[AnalysisServices]:
    """The platform's analysis services, which answer at once until a test says otherwise."""
    async with services_on(parts.bus, parts.name) as services:
        yield services


@pytest.fixture
async def flow_runs(prefect_server: PrefectServer) -> AsyncIterator[PrefectFlowRuns]:
    async with PrefectFlowRuns(prefect_server.api_url) as flow_runs:
        yield flow_runs


@pytest.fixture
async def prefect(prefect_server: PrefectServer) -> AsyncIterator[PrefectClient]:
    with temporary_settings({PREFECT_API_URL: prefect_server.api_url}):
        async with get_client() as client:
            yield client


@pytest.fixture
def links(
    rabbitmq: RabbitMQNode, cosmos_emulator: CosmosEmulator, prefect_server: PrefectServer
) -> Iterator[Links]:
    """What a test can break between the processes of a `linked_orchestra` and the parts."""
    with links_to(rabbitmq, cosmos_emulator, prefect_server) as links:
        yield links
