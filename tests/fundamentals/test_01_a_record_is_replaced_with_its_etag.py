"""A record is replaced with its ETag.

The record is the truth: what is in no record has not happened. Several processes work on the same
records, and none of them holds a lock. A read returns the record with its ETag, and a replace has
to show that ETag. If the record has changed since, the replace is refused (`Stale`) and the
caller reads again. Every decision is made like this, or by a create, which is refused when the id
is taken.

Code: the port in `blocks/ports/record_store.py`, its adapters in `blocks/adapters`.
"""

import pytest
from msgspec.structs import replace

from blocks.contracts.records import ExecutionRecord
from blocks.ports import AlreadyExists, NotFound, RecordStore, Stale
from tests.support.factories import A_TENANT, ANOTHER_TENANT, an_execution


async def test_a_replace_shows_the_etag_of_what_was_read(store: RecordStore) -> None:
    created = await store.create(A_TENANT, an_execution(priority=0))

    replaced = await store.replace(A_TENANT, created.etag, replace(created.record, priority=5))

    assert replaced == await store.read(A_TENANT, ExecutionRecord, created.record.id)
    assert (5, True) == (replaced.record.priority, replaced.etag != created.etag)


async def test_of_two_who_read_the_same_record_one_replaces_it(store: RecordStore) -> None:
    created = await store.create(A_TENANT, an_execution())
    await store.replace(A_TENANT, created.etag, replace(created.record, priority=5))

    with pytest.raises(Stale):
        await store.replace(A_TENANT, created.etag, replace(created.record, priority=9))


async def test_an_id_is_taken_once(store: RecordStore) -> None:
    execution = an_execution()
    await store.create(A_TENANT, execution)

    with pytest.raises(AlreadyExists):
        await store.create(A_TENANT, replace(execution, subject="another subject"))


async def test_a_tenant_does_not_find_the_record_of_another(store: RecordStore) -> None:
    created = await store.create(A_TENANT, an_execution())

    with pytest.raises(NotFound):
        await store.read(ANOTHER_TENANT, ExecutionRecord, created.record.id)
