"""The parts that these files work with, new for every test: record store, event bus, router.

The store and the bus are the embedded ones, each a SQLite file. Only Prefect is replaced, by lists
of what it was asked for, because its server takes seconds to start.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from blocks.ports import EventBus, RecordStore
from blocks.services import open_bus, open_store
from blocks.settings import Settings, load_settings
from flows.shared.runtime import Runtime
from listeners.context import Context
from listeners.dispatch.dispatcher import Dispatcher
from listeners.router import Router
from listeners.triggers.intake import Intake
from tests.support.flow_runs import RememberedFlowRuns


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings({"ORCHESTRATOR_DATA_DIR": str(tmp_path)})


@pytest.fixture
async def store(settings: Settings) -> AsyncIterator[RecordStore]:
    async with open_store(settings) as store:
        await store.provision()
        yield store


@pytest.fixture
async def bus(settings: Settings) -> AsyncIterator[EventBus]:
    async with open_bus(settings, "fundamentals") as bus:
        yield bus


@pytest.fixture
def flow_runs() -> RememberedFlowRuns:
    return RememberedFlowRuns()


@pytest.fixture
def runtime(
    settings: Settings,
    bus: EventBus,
    store: RecordStore,
    flow_runs: RememberedFlowRuns,
) -> Runtime:
    """What flow runs share in a worker."""
    return Runtime(settings, bus, store, flow_runs)


@pytest.fixture
def dispatcher(
    settings: Settings,
    bus: EventBus,
    store: RecordStore,
    flow_runs: RememberedFlowRuns,
) -> Dispatcher:
    return Dispatcher(settings.dispatch, store, bus, flow_runs)


@pytest.fixture
def router(bus: EventBus, store: RecordStore, dispatcher: Dispatcher) -> Router:
    return Router(Context(store, bus, Intake(store, dispatcher)))
