"""Parts that operations work with."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from blocks.adapters.sqlite.record_store import SqliteRecordStore
from blocks.ports import RecordStore


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[RecordStore]:
    async with SqliteRecordStore(tmp_path / "records.db") as store:
        await store.provision()
        yield store
