"""Writes that compete for one record: repeated with what is there now, and only so often."""

import pytest

from blocks import updates
from blocks.contracts.records import ExecutionRecord
from blocks.executions import transitions
from blocks.ports import NotFound, RecordStore, Stale, Stored, WrongVersion
from blocks.updates import Contended, update, update_known
from tests.support.factories import A_TENANT, an_execution


async def test_a_known_record_is_read_again_only_after_another_write(store: RecordStore) -> None:
    known = await store.create(A_TENANT, an_execution())
    current = await transitions.change(store, known, priority=3)
    seen: list[str] = []

    async def raise_priority(stored: Stored[ExecutionRecord]) -> ExecutionRecord:
        seen.append(stored.etag)
        return (await transitions.change(store, stored, priority=stored.record.priority + 1)).record

    written = await update_known(store, known, raise_priority)

    assert [known.etag, current.etag] == seen
    assert 4 == written.priority


async def test_what_always_loses_ends_after_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(updates, "TRIES", 5)
    tried: list[None] = []

    async def loses() -> None:
        tried.append(None)
        raise Stale

    with pytest.raises(Contended, match="the policy changed 5 times meanwhile"):
        await update(loses, "the policy")

    assert 5 == len(tried)


@pytest.mark.parametrize("error", [WrongVersion, NotFound])
async def test_what_another_look_does_not_help_is_not_repeated(error: type[Exception]) -> None:
    tried: list[None] = []

    async def refuses() -> None:
        tried.append(None)
        raise error

    with pytest.raises(error):
        await update(refuses, "the policy")

    assert 1 == len(tried)
