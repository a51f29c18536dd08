"""The embedded parts, new for every test; a file that needs them otherwise has a fixture of its
own.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from blocks.adapters.sqlite.event_bus import SqliteEventBus
from blocks.adapters.sqlite.record_store import SqliteRecordStore
from blocks.ports import EventBus, RecordStore
from listeners.router import Router
from tests.support.event_context import context_of


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[RecordStore]:
    async with SqliteRecordStore(tmp_path / "records.db") as store:
        yield store


@pytest.fixture
async def bus(tmp_path: Path) -> AsyncIterator[EventBus]:
    async with SqliteEventBus(tmp_path / "bus.db") as bus:
        yield bus


@pytest.fixture
def router(store: RecordStore, bus: EventBus) -> Router:
    """Prefect, behind its dispatcher, is a list of what it was asked for."""
    return Router(context_of(store, bus))
