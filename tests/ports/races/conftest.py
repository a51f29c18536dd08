"""Both stores, each with a database of its own for every test."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from blocks.adapters.cosmos.record_store import CosmosRecordStore
from blocks.adapters.sqlite.record_store import SqliteRecordStore
from blocks.ports import RecordStore


@pytest.fixture(params=["sqlite", "cosmos"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[RecordStore]:
    if request.param == "sqlite":
        async with SqliteRecordStore(tmp_path / "records.db") as sqlite:
            await sqlite.provision()
            yield sqlite
    else:
        emulator = request.getfixturevalue("cosmos_emulator")
        database, ca_file = f"races-{uuid4().hex[:8]}", str(emulator.ca_file)
        async with CosmosRecordStore(
            emulator.endpoint, emulator.key, database=database, ca_file=ca_file
        ) as cosmos:
            await cosmos.provision()
            yield cosmos
