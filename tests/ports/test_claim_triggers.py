"""Triggers of claim recovery at once, on a real Cosmos DB emulator."""

import pytest

from blocks.adapters.sqlite.event_bus import SqliteEventBus
from tests.ports.test_record_store import cosmos_store
from tests.support.factories import new_id
from tests.support.servers.cosmos import CosmosEmulator
from tests.unit.claims.test_triggers import hundred_at_once


@pytest.mark.long
async def test_of_a_hundred_triggers_at_once_none_is_lost_on_cosmos_db(
    cosmos_emulator: CosmosEmulator, tmp_path_factory: pytest.TempPathFactory
) -> None:
    async with (
        cosmos_store(cosmos_emulator, database=new_id()) as store,
        SqliteEventBus(tmp_path_factory.mktemp("bus") / "bus.db") as bus,
    ):
        await store.provision()
        await hundred_at_once(store, bus)
