"""A running system whose processes reach every part over a link that a test can break."""

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import msgspec

from tests.support.servers.cosmos import CosmosEmulator
from tests.support.servers.cosmos_fault_proxy import CosmosFaultProxy
from tests.support.servers.prefect_server import PrefectServer
from tests.support.servers.rabbitmq import RabbitMQNode
from tests.support.servers.tcp_proxy import TcpProxy
from tests.support.system.orchestra import Orchestra, on_cosmos, on_rabbitmq, orchestra


class Links(msgspec.Struct, frozen=True):
    """What stands between the processes and the parts; everything passes until a fault is set."""

    broker: TcpProxy
    cosmos: CosmosFaultProxy
    prefect: TcpProxy

    def environment(self) -> dict[str, str]:
        """A dead link to the broker is noticed after two or three seconds, not after twenty."""
        return {
            "RABBITMQ_URL": f"{self.broker.url}?heartbeat=1",
            "COSMOS_DB_ENDPOINT": self.cosmos.endpoint,
            "PREFECT_API_URL": self.prefect.url,
        }


@contextmanager
def links_to(
    rabbitmq: RabbitMQNode, cosmos: CosmosEmulator, prefect: PrefectServer
) -> Iterator[Links]:
    with ExitStack() as stack:
        yield Links(
            broker=stack.enter_context(TcpProxy(rabbitmq.url)),
            cosmos=stack.enter_context(CosmosFaultProxy(cosmos)),
            prefect=stack.enter_context(TcpProxy(prefect.api_url)),
        )


@asynccontextmanager
async def linked_orchestra(
    folder: Path,
    links: Links,
    rabbitmq: RabbitMQNode,
    cosmos: CosmosEmulator,
    prefect: PrefectServer,
    **environment: str,
) -> AsyncIterator[Orchestra]:
    """The system on real parts; its processes use the links, the test's own doors lead to the parts
    directly.
    """
    real = {
        **on_rabbitmq(rabbitmq, folder.name),
        **on_cosmos(cosmos, folder.name),
        **environment,
    }
    async with orchestra(folder, prefect, **real) as parts:
        for process in parts.processes:
            process.environment = {**process.environment, **links.environment()}
        yield parts
