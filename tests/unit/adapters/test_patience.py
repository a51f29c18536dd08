"""Flows wait for a bus and a store that are away, and give up in the end."""

import logging
from pathlib import Path
from typing import Any

import pytest

from blocks.adapters import retrying
from blocks.adapters.retrying import RetryingEventBus, RetryingRecordStore
from blocks.adapters.sqlite.event_bus import SqliteEventBus
from blocks.contracts.records import ExecutionRecord
from blocks.ports import (
    AlreadyExists,
    DeclaredOtherwise,
    Message,
    Mismatch,
    NotFound,
    RecordStore,
    Unavailable,
)
from tests.support.factories import A_TENANT, an_execution, new_id, now
from tests.support.stores import FailingStore


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(retrying, "_PAUSE_FIRST_SECONDS", 0.01)
    caplog.set_level(logging.INFO)


class Outage:
    """A part that is away for so many calls, and then is the one behind it."""

    def __init__(self, part: Any, calls: int) -> None:
        self._part = part
        self._left = calls

    def __getattr__(self, name: str) -> Any:
        if self._left:
            self._left -= 1
            return FailingStore(Unavailable("away")).query
        return getattr(self._part, name)


async def test_a_call_waits_until_the_store_is_there_and_logs_it_once(
    store: RecordStore, caplog: pytest.LogCaptureFixture
) -> None:
    connections = RetryingRecordStore(Outage(store, calls=3))
    created = await connections.create(A_TENANT, an_execution())
    assert created == await connections.read(A_TENANT, ExecutionRecord, created.record.id)
    assert [
        "waiting for the record store: away",
        "the record store is there again",
    ] == caplog.messages


async def test_a_publish_waits_until_the_broker_is_there(tmp_path: Path) -> None:
    message = Message(id=new_id(), routing_key="order.placed", body=b"{}", timestamp=now())
    async with SqliteEventBus(tmp_path / "bus.db") as bus:
        await RetryingEventBus(Outage(bus, calls=3)).publish(message)


async def test_what_the_store_says_is_not_waited_for(store: RecordStore) -> None:
    connections = RetryingRecordStore(store)
    execution = an_execution()
    await connections.create(A_TENANT, execution)
    with pytest.raises(AlreadyExists):
        await connections.create(A_TENANT, execution)
    with pytest.raises(NotFound):
        await connections.read(A_TENANT, ExecutionRecord, new_id())


async def test_patience_ends() -> None:
    with pytest.raises(Unavailable, match="away"):
        await RetryingRecordStore(FailingStore(Unavailable("away")), limit_seconds=0.1).count(
            A_TENANT, ExecutionRecord
        )


async def test_what_exists_with_other_arguments_is_not_waited_for(
    caplog: pytest.LogCaptureFixture,
) -> None:
    error = DeclaredOtherwise(
        Mismatch(kind="exchange", name="e", argument="type", existing="direct", declared="topic")
    )
    with pytest.raises(DeclaredOtherwise):
        await RetryingRecordStore(FailingStore(error)).count(A_TENANT, ExecutionRecord)
    assert [] == caplog.messages
