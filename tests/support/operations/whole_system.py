"""A whole system on the embedded stack whose operations run only when a test requests them."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from prefect.client.schemas.objects import FlowRun
from prefect.settings import PREFECT_API_URL, temporary_settings

from blocks.contracts.operations import Operation
from tests.support.operations.prefect_runs import requested
from tests.support.servers.prefect_server import PrefectServer
from tests.support.system.ledger import Ledger, ledger_of
from tests.support.system.orchestra import Orchestra, whole_orchestra

USER = {"userId": "u-1", "email": "ann@shop.example"}
"""Input that suits every operation."""

ON_REQUEST = {
    "ALERT_EMAIL": "operators@platform.example",
    "OPERATIONS_ENABLED": "false",
    "PREFECT_WORKER_QUERY_SECONDS": "0.5",
}
"""Settings under which no schedule starts an operation."""


@asynccontextmanager
async def whole_system(
    folder: Path, prefect: PrefectServer, **environment: str
) -> AsyncIterator[tuple[Orchestra, Ledger]]:
    """The system, without a process, and what is published in it."""
    with temporary_settings({PREFECT_API_URL: prefect.api_url}):
        async with (
            whole_orchestra(folder, prefect, **{**ON_REQUEST, **environment}) as parts,
            ledger_of(parts.bus, parts.name) as ledger,
        ):
            yield parts, ledger


async def all_requested(
    parts: Orchestra, operations: Iterable[Operation]
) -> dict[Operation, FlowRun]:
    """A run of each, with `USER` as its input."""
    return {one: await requested(parts, one, **USER) for one in operations}
