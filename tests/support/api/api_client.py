"""The tenant API over an embedded store of its own, called without a network."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import msgspec
from litestar import Litestar

from api.access.limits.failures import Failures
from api.app import create_app
from api.live.hub import Hub
from blocks.adapters.sqlite.record_store import SqliteRecordStore
from blocks.contracts.records import Record
from blocks.ports import RecordStore
from blocks.processes.readiness import Probes
from blocks.services import open_bus
from blocks.settings import load_settings
from tests.support.api.credentials import ENVIRONMENT, AnyTenant
from tests.support.factories import A_TENANT
from tests.support.flow_runs import RememberedFlowRuns


class Api(msgspec.Struct, frozen=True):
    """The application, the store behind it, and a client that speaks for `A_TENANT` unless set
    otherwise.

    The client may do everything; a test that is about what one may do sends a token of its own.
    """

    app: Litestar
    store: RecordStore
    client: httpx.AsyncClient
    failures: Failures
    hub: Hub
    """What it sends its followers; nothing reaches it but what a test publishes."""
    folder: str
    """Where its files lie, for other processes to share."""

    async def holds(self, *records: Record) -> None:
        for record in records:
            await self.store.create(record.tenant_id, record)

    async def get(
        self, path: str, tenant_id: str = A_TENANT, **parameters: str | int
    ) -> httpx.Response:
        return await self.client.get(
            path, params=parameters or None, headers={"X-Tenant-ID": tenant_id}
        )

    async def send(
        self, method: str, path: str, body: object = None, tenant_id: str = A_TENANT
    ) -> httpx.Response:
        return await self.client.request(
            method, path, json=body, headers={"X-Tenant-ID": tenant_id}
        )


@asynccontextmanager
async def an_api(
    directory: Path,
    probes: Probes | None = None,
    store: RecordStore | None = None,
    **environment: str,
) -> AsyncIterator[Api]:
    """An API whose files lie in the directory; `store` stands in for the embedded one."""
    settings = load_settings(
        {"ORCHESTRATOR_DATA_DIR": str(directory), **ENVIRONMENT, **environment}
    )
    async with (
        SqliteRecordStore(directory / "records.db") as embedded,
        open_bus(settings, "api") as bus,
    ):
        hub, failures = Hub(settings.live), Failures(settings.auth.failures_per_minute)
        app = create_app(
            settings,
            store or embedded,
            bus,
            RememberedFlowRuns(),
            probes=probes or {},
            failures=failures,
            hub=hub,
        )
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)  # type: ignore[arg-type] # Litestar is stricter
        async with httpx.AsyncClient(
            transport=transport, base_url="http://api.test", auth=AnyTenant()
        ) as client:
            yield Api(app, store or embedded, client, failures, hub, str(directory))
