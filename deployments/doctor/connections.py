"""The system that is examined: connections to those of its parts that are available."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import msgspec
from prefect.client.orchestration import PrefectClient, get_client

from blocks.adapters.prefect.flow_runs import PrefectFlowRuns
from blocks.observability.redaction import masked_url
from blocks.ports import DeclaredOtherwise, EventBus, RecordStore, Unavailable
from blocks.services import open_bus, open_store
from blocks.settings import Settings
from deployments.doctor.finding import Finding, failed

DOOR_SECONDS = 5.0
"""For connecting to one part."""


class Connections(msgspec.Struct):
    """A part that is unavailable is None; its finding is in `deaths`."""

    settings: Settings
    store: RecordStore | None = None
    bus: EventBus | None = None
    prefect: PrefectClient | None = None
    flow_runs: PrefectFlowRuns | None = None
    unavailable: list[Finding] = []

    def has(self, part: str) -> bool:
        return getattr(self, part) is not None


@asynccontextmanager
async def connect(settings: Settings) -> AsyncIterator[Connections]:
    """Connections for the duration of the context; connecting raises and creates nothing."""
    connections = Connections(settings, unavailable=[])
    async with AsyncExitStack() as stack:

        async def store() -> None:
            _check_is_there(settings, settings.cosmos_db.endpoint)
            connections.store = await stack.enter_async_context(open_store(settings))
            await connections.store.ping()

        async def bus() -> None:
            _check_is_there(settings, settings.rabbitmq.url)
            connections.bus = await stack.enter_async_context(open_bus(settings, "doctor"))
            await connections.bus.ping()

        async def prefect() -> None:
            client = await stack.enter_async_context(get_client())
            if error := await client.api_healthcheck():
                raise Unavailable(f"{type(error).__name__}: {error}")
            connections.flow_runs = await stack.enter_async_context(
                PrefectFlowRuns(settings.prefect.api_url or None)
            )
            connections.prefect = client

        store_url, bus_url = settings.cosmos_db.endpoint, masked_url(settings.rabbitmq.url)
        await _open(
            connections, "store", store, f"start the database at {store_url} (COSMOS_DB_ENDPOINT)"
        )
        await _open(connections, "bus", bus, f"start the broker at {bus_url} (RABBITMQ_URL)")
        address = masked_url(settings.prefect.api_url)
        await _open(
            connections,
            "prefect",
            prefect,
            f"start the Prefect server at {address} (PREFECT_API_URL)",
        )
        yield connections


async def _open(
    connections: Connections, part: str, door: Callable[[], Awaitable[None]], todo: str
) -> None:
    try:
        async with asyncio.timeout(DOOR_SECONDS):
            await door()
            return
    except TimeoutError:
        reason = f"no answer in {DOOR_SECONDS:g} s"
    except DeclaredOtherwise as error:
        reason, todo = str(error.mismatch), error.mismatch.todo
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
    setattr(connections, part, None)
    connections.unavailable.append(failed(NAMES[part], reason, todo))


NAMES = {"store": "store", "bus": "broker", "prefect": "Prefect server"}
"""The parts' names in the report."""


def _check_is_there(settings: Settings, url: str) -> None:
    """Raises `Unavailable` if an embedded part has no file: connecting would create it."""
    file = settings.embedded_file(url)
    if file and not file.exists():
        raise Unavailable(
            f"there is no file {file}: nothing was ever started here (ORCHESTRATOR_DATA_DIR)"
        )
