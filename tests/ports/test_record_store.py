"""What a record store promises, shown on both adapters; what only one of them can show stands at
the end.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from blocks.adapters.cosmos.record_store import CosmosRecordStore
from blocks.adapters.sqlite.record_store import SqliteRecordStore
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.records import (
    ApprovalRecord,
    ExecutionRecord,
    ProcessRecord,
    Record,
    TenantRecord,
)
from blocks.contracts.records.audit import AuditEntry
from blocks.contracts.records.claims import PhaseLogEntry
from blocks.ports import (
    NO_CONDITION,
    AlreadyExists,
    Between,
    Contains,
    NotAbove,
    NotFound,
    Query,
    RecordStore,
    Stale,
    Stored,
    TooLarge,
    Unavailable,
    UnreadableRecord,
    Where,
)
from blocks.queries import every, those
from tests.support.claims.phase_entries import an_entry
from tests.support.factories import (
    A_TENANT,
    ANOTHER_TENANT,
    a_definition,
    a_process,
    a_step,
    a_tenant_record,
    a_webhook,
    an_approval,
    an_audit_entry,
    an_execution,
    new_id,
    now,
)
from tests.support.journeys.triggers import records_of_a_claim
from tests.support.metrics import Gain
from tests.support.servers.cosmos import CosmosEmulator
from tests.support.stores import ids_page_by_page, put_unreadable

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)

AWKWARD = "Zoë's \"quoted\" 商談 🦀 \\ '; DROP TABLE workflow_executions; -- @0 ? %s {} \n\t"


@pytest.fixture(params=["sqlite", "cosmos"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[RecordStore]:
    """A store with nothing in it."""
    if request.param == "sqlite":
        async with SqliteRecordStore(tmp_path / "records.db") as sqlite:
            yield sqlite
    else:
        async with cosmos_store(
            request.getfixturevalue("cosmos_emulator"), database=new_id()
        ) as cosmos:
            await cosmos.provision()
            yield cosmos


def cosmos_store(emulator: CosmosEmulator, database: str = "orchestrator") -> CosmosRecordStore:
    return CosmosRecordStore(
        emulator.endpoint, emulator.key, database=database, ca_file=str(emulator.ca_file)
    )


# --- one record -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "record",
    [
        an_execution(
            status="completed", results={"risk": {"score": 0.5, "factors": ["a", None, True]}}
        ),
        a_step(status="failed", error="no answer in time", error_code="TIMEOUT"),
        an_approval(status="approved", decided_at=now(), comment=AWKWARD),
        a_definition(),
        a_tenant_record(),
        a_process(),
        a_webhook(),
        *records_of_a_claim(),
    ],
    ids=lambda record: type(record).__name__,
)
async def test_a_record_is_read_as_it_was_created(store: RecordStore, record: Record) -> None:
    created = await store.create(record.tenant_id, record)

    assert (
        await store.read(record.tenant_id, type(record), record.id)
        == created
        == Stored(record, created.etag)
    )


async def test_any_text_comes_back_unchanged(store: RecordStore) -> None:
    record = an_execution(subject=AWKWARD, error=AWKWARD, input={AWKWARD: [AWKWARD]})
    await store.create(A_TENANT, record)

    assert (await store.read(A_TENANT, ExecutionRecord, record.id)).record == record


async def test_records_that_are_created_together_are_read_one_by_one(store: RecordStore) -> None:
    records = [an_execution() for _ in range(120)]  # more than Cosmos DB takes at once

    created = await store.create_all(A_TENANT, records)

    assert records == [stored.record for stored in created if stored]
    for stored in (created[0], created[99], created[119]):
        assert stored is not None
        assert stored == await store.read(A_TENANT, ExecutionRecord, stored.record.id)


async def test_of_records_that_are_created_together_the_taken_ids_keep_their_first(
    store: RecordStore,
) -> None:
    first = await store.create(A_TENANT, an_execution(subject="first"))
    new, twice = an_execution(), an_execution()
    second = replace(first.record, subject="second")

    created = await store.create_all(A_TENANT, [new, second, twice, twice])

    assert [True, False] == [stored is not None for stored in created[:2]]
    assert 1 == sum(stored is not None for stored in created[2:])
    assert first == await store.read(A_TENANT, ExecutionRecord, first.record.id)
    assert created[0] == await store.read(A_TENANT, ExecutionRecord, new.id)
    assert [None] * 4 == await store.create_all(A_TENANT, [new, second, twice, twice])
    assert 3 == await store.count(A_TENANT, ExecutionRecord)


async def test_large_records_that_are_created_together_are_stored(store: RecordStore) -> None:
    records = [an_execution(error="x" * 900_000) for _ in range(4)]

    created = await store.create_all(A_TENANT, records)

    assert records == [stored.record for stored in created if stored]


async def test_of_records_that_are_created_together_one_that_is_too_large_stops_all(
    store: RecordStore,
) -> None:
    fine, too_large = an_execution(), an_execution(error="x" * 2_000_000)

    with pytest.raises(TooLarge):
        await store.create_all(A_TENANT, [fine, too_large])

    assert 0 == await store.count(A_TENANT, ExecutionRecord)
    assert [] == await store.create_all(A_TENANT, [])


async def test_records_that_are_replaced_together_are_read_one_by_one(store: RecordStore) -> None:
    created = await store.create_all(A_TENANT, [an_execution() for _ in range(120)])
    changed = [Stored(replace(one.record, subject="changed"), one.etag) for one in created if one]

    replaced = await store.replace_all(A_TENANT, changed)

    assert [one.record for one in changed] == [stored.record for stored in replaced if stored]
    for stored in (replaced[0], replaced[99], replaced[119]):
        assert stored is not None
        assert stored == await store.read(A_TENANT, ExecutionRecord, stored.record.id)


async def test_of_records_that_are_replaced_together_those_that_changed_meanwhile_stay(
    store: RecordStore,
) -> None:
    [fine, other, twice] = [await store.create(A_TENANT, an_execution()) for _ in range(3)]
    newer = await store.replace(A_TENANT, other.etag, replace(other.record, subject="newer"))
    changed = [
        Stored(replace(one.record, subject=subject), one.etag)
        for one, subject in [(fine, "new"), (other, "lost"), (twice, "once"), (twice, "again")]
    ]

    replaced = await store.replace_all(
        A_TENANT,
        [*changed, Stored(an_execution(), fine.etag)],  # which is not there
    )

    assert [True, False] == [stored is not None for stored in replaced[:2]]
    assert 1 == sum(stored is not None for stored in replaced[2:4])
    assert replaced[4] is None
    assert replaced[0] == await store.read(A_TENANT, ExecutionRecord, fine.record.id)
    assert newer == await store.read(A_TENANT, ExecutionRecord, other.record.id)
    assert [] == await store.replace_all(A_TENANT, [])


async def test_records_of_another_tenant_are_not_replaced(store: RecordStore) -> None:
    theirs = await store.create(A_TENANT, an_execution())
    ours = replace(theirs.record, tenant_id=ANOTHER_TENANT, subject="taken")

    assert [None, None] == await store.replace_all(
        ANOTHER_TENANT, [Stored(ours, theirs.etag), Stored(ours, theirs.etag)]
    )
    assert theirs == await store.read(A_TENANT, ExecutionRecord, theirs.record.id)


async def test_of_records_that_are_replaced_together_one_that_is_too_large_stops_all(
    store: RecordStore,
) -> None:
    [fine, large] = [await store.create(A_TENANT, an_execution()) for _ in range(2)]
    changed = [
        Stored(replace(fine.record, subject="new"), fine.etag),
        Stored(replace(large.record, error="x" * 2_000_000), large.etag),
    ]

    with pytest.raises(TooLarge):
        await store.replace_all(A_TENANT, changed)

    assert fine == await store.read(A_TENANT, ExecutionRecord, fine.record.id)


async def test_records_that_match_are_counted_for_their_tenant_only(store: RecordStore) -> None:
    for status in ("pending", "running", "running"):
        await store.create(A_TENANT, an_execution(status=status))
    await store.create(ANOTHER_TENANT, an_execution(tenant_id=ANOTHER_TENANT, status="running"))

    assert await store.count(A_TENANT, ExecutionRecord) == 3
    assert await store.count(A_TENANT, ExecutionRecord, {"status": ("running", "failed")}) == 2
    assert await store.count(A_TENANT, TenantRecord) == 0


async def test_the_first_create_of_an_id_is_kept(store: RecordStore) -> None:
    first = an_execution(subject="first")
    await store.create(A_TENANT, first)

    with pytest.raises(AlreadyExists):
        await store.create(A_TENANT, replace(first, subject="second"))

    assert (await store.read(A_TENANT, ExecutionRecord, first.id)).record == first


async def test_the_very_same_record_is_created_once(store: RecordStore) -> None:
    record = an_execution()

    outcomes = await asyncio.gather(
        *(store.create(A_TENANT, record) for _ in range(20)), return_exceptions=True
    )

    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["AlreadyExists"] * 19 + [
        "Stored"
    ]


async def test_a_replaced_record_is_read_in_its_new_form(store: RecordStore) -> None:
    created = await store.create(A_TENANT, an_execution())
    replaced = await store.replace(
        A_TENANT, created.etag, replace(created.record, status="running", attempt=1)
    )

    assert await store.read(A_TENANT, ExecutionRecord, created.record.id) == replaced
    assert replaced.etag != created.etag


async def test_an_old_etag_replaces_nothing(store: RecordStore) -> None:
    created = await store.create(A_TENANT, an_execution())
    replaced = await store.replace(
        A_TENANT, created.etag, replace(created.record, status="running")
    )

    with pytest.raises(Stale):
        await store.replace(A_TENANT, created.etag, replace(created.record, status="cancelled"))

    assert await store.read(A_TENANT, ExecutionRecord, created.record.id) == replaced


async def test_of_fifty_replaces_at_once_one_wins(store: RecordStore) -> None:
    created = await store.create(A_TENANT, an_execution())
    wanted = replace(created.record, status="running", attempt=1)

    outcomes = await asyncio.gather(
        *(store.replace(A_TENANT, created.etag, wanted) for _ in range(50)), return_exceptions=True
    )

    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Stale"] * 49 + ["Stored"]


async def test_what_is_not_there_cannot_be_read_or_replaced(store: RecordStore) -> None:
    with pytest.raises(NotFound):
        await store.read(A_TENANT, ExecutionRecord, new_id())
    with pytest.raises(NotFound):
        await store.replace(A_TENANT, "an-etag", an_execution())


async def test_what_is_append_only_is_neither_replaced_nor_deleted(store: RecordStore) -> None:
    entry = await store.create(A_TENANT, an_audit_entry())

    with pytest.raises(ValueError, match="never changed or deleted"):
        await store.replace(A_TENANT, entry.etag, replace(entry.record, actor="nobody"))
    with pytest.raises(ValueError, match="never changed or deleted"):
        await store.delete(A_TENANT, AuditEntry, entry.record.id)

    assert entry == await store.read(A_TENANT, AuditEntry, entry.record.id)


async def test_what_expires_is_deleted_and_never_replaced(store: RecordStore) -> None:
    line = await store.create(A_TENANT, an_entry())

    with pytest.raises(ValueError, match="never changed or deleted"):
        await store.replace(A_TENANT, line.etag, replace(line.record, message="another"))
    await store.delete(A_TENANT, PhaseLogEntry, line.record.id)

    with pytest.raises(NotFound):
        await store.read(A_TENANT, PhaseLogEntry, line.record.id)


async def test_a_deleted_record_is_gone_and_may_be_deleted_again(store: RecordStore) -> None:
    record = an_execution()
    await store.create(A_TENANT, record)

    for _ in range(2):
        await store.delete(A_TENANT, ExecutionRecord, record.id)

    with pytest.raises(NotFound):
        await store.read(A_TENANT, ExecutionRecord, record.id)


async def test_a_delete_with_an_etag_spares_what_changed_since(store: RecordStore) -> None:
    seen = await store.create(A_TENANT, an_execution())
    changed = await store.replace(A_TENANT, seen.etag, replace(seen.record, attempt=1))
    id = seen.record.id

    with pytest.raises(Stale):
        await store.delete(A_TENANT, ExecutionRecord, id, etag=seen.etag)
    assert changed == await store.read(A_TENANT, ExecutionRecord, id)

    for _ in range(2):
        await store.delete(A_TENANT, ExecutionRecord, id, etag=changed.etag)
    assert await found(store, A_TENANT, ExecutionRecord) == []


@pytest.mark.parametrize("id", ["", "a/b", "a\\b", "a?b", "a#b", "a ", "a" * 256])
async def test_an_id_that_cosmos_db_refuses_names_no_record(store: RecordStore, id: str) -> None:
    with pytest.raises(ValueError, match="cannot be the id"):
        await store.create(A_TENANT, an_execution(id=id))
    with pytest.raises(NotFound):
        await store.read(A_TENANT, ExecutionRecord, id)
    await store.delete(A_TENANT, ExecutionRecord, id)


async def test_a_record_too_large_for_cosmos_db_is_refused(store: RecordStore) -> None:
    too_much = {"notes": "x" * 2_000_000}
    with pytest.raises(TooLarge, match="bytes"):
        await store.create(A_TENANT, an_execution(input=too_much))
    created = await store.create(A_TENANT, an_execution())
    with pytest.raises(TooLarge, match="bytes"):
        await store.replace(A_TENANT, created.etag, replace(created.record, input=too_much))

    assert created == await store.read(A_TENANT, ExecutionRecord, created.record.id)


# --- whose record ---------------------------------------------------------------------------------


async def test_as_many_as_a_flow_run_may_carry_are_asked_for_by_their_ids(
    store: RecordStore,
) -> None:
    there = [an_execution() for _ in range(3)]
    await asyncio.gather(*(store.create(A_TENANT, execution) for execution in there))
    ids = [new_id() for _ in range(997)] + [execution.id for execution in there]

    found = await those(store, A_TENANT, ExecutionRecord, ids)

    assert {execution.id for execution in there} == found.keys()


async def test_another_tenants_record_is_not_found(store: RecordStore) -> None:
    created = await store.create(A_TENANT, an_execution())
    id = created.record.id

    with pytest.raises(NotFound):
        await store.read(ANOTHER_TENANT, ExecutionRecord, id)
    with pytest.raises(NotFound):
        await store.replace(
            ANOTHER_TENANT, created.etag, replace(created.record, tenant_id=ANOTHER_TENANT)
        )
    await store.delete(ANOTHER_TENANT, ExecutionRecord, id)

    assert (await store.query(ANOTHER_TENANT, Query(ExecutionRecord, {"id": id}))).items == []
    assert await store.read(A_TENANT, ExecutionRecord, id) == created


async def test_two_tenants_may_use_one_id(store: RecordStore) -> None:
    ours, theirs = a_definition(), a_definition(tenant_id=ANOTHER_TENANT, step_timeout_seconds=9.0)
    await store.create(A_TENANT, ours)
    await store.create(ANOTHER_TENANT, theirs)

    assert (await store.read(A_TENANT, type(ours), ours.id)).record == ours
    assert (await store.read(ANOTHER_TENANT, type(ours), ours.id)).record == theirs


async def test_a_record_is_written_for_its_own_tenant_only(store: RecordStore) -> None:
    with pytest.raises(ValueError, match="another tenant"):
        await store.create(A_TENANT, an_execution(tenant_id=ANOTHER_TENANT))
    with pytest.raises(ValueError, match="another tenant"):
        await store.replace(A_TENANT, "an-etag", an_execution(tenant_id=ANOTHER_TENANT))


async def test_kinds_in_one_container_are_distinguished(store: RecordStore) -> None:
    tenant, process = a_tenant_record(), a_process()
    await store.create(SYSTEM_TENANT, tenant)
    await store.create(SYSTEM_TENANT, process)

    with pytest.raises(NotFound):
        await store.read(SYSTEM_TENANT, ProcessRecord, tenant.id)
    await store.delete(SYSTEM_TENANT, ProcessRecord, tenant.id)

    assert await found(store, SYSTEM_TENANT, TenantRecord) == [tenant.id]
    assert await found(store, SYSTEM_TENANT, ProcessRecord) == [process.id]


# --- queries --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({}, ["a", "b", "c"]),
        ({"status": "pending"}, ["a"]),
        ({"status": ("pending", "running")}, ["a", "b"]),
        ({"status": ()}, []),
        ({"announced_at": None}, ["a", "b"]),
        ({"failed_step": ("forecast", None)}, ["a", "b", "c"]),
        ({"trigger_ids": Contains("event-2")}, ["b", "c"]),
        ({"trigger_ids": Contains(("event-2", "event-1"))}, ["b", "c"]),
        ({"trigger_ids": Contains(("event-9", "event-2"))}, ["b", "c"]),
        ({"trigger_ids": Contains(())}, []),
        ({"attempt": 2}, ["c"]),
        ({"id": ("a", "c", "nobody")}, ["a", "c"]),
        ({"subject": AWKWARD}, ["b"]),
        (
            {"status": ("running", "completed"), "trigger_ids": Contains("event-2"), "attempt": 0},
            ["b"],
        ),
        ({"subject": "' OR 1=1 --"}, []),
    ],
    ids=str,
)
async def test_a_query_finds_what_matches_all_its_conditions(
    store: RecordStore, where: dict[str, Any], expected: list[str]
) -> None:
    await store.create(A_TENANT, an_execution(id="a", status="pending"))
    await store.create(
        A_TENANT, an_execution(id="b", status="running", subject=AWKWARD, trigger_ids=["event-2"])
    )
    await store.create(
        A_TENANT,
        an_execution(
            id="c",
            status="completed",
            attempt=2,
            announced_at=now(),
            failed_step="forecast",
            trigger_ids=["event-1", "event-2"],
        ),
    )

    assert await found(store, A_TENANT, ExecutionRecord, where, newest_first=False) == expected


@pytest.mark.parametrize(
    ("created_at", "expected"),
    [
        (Between(), ["a", "b", "c"]),
        (Between(since=NOON), ["b", "c"]),
        (Between(until=NOON), ["a"]),
        (Between(since=NOON, until=NOON + timedelta(microseconds=1)), ["b"]),
        (
            Between(
                since=NOON.astimezone(timezone(timedelta(hours=5))), until=NOON + timedelta(days=1)
            ),
            ["b", "c"],
        ),
        (
            Between(since=datetime.min.replace(tzinfo=timezone(timedelta(hours=14)))),
            ["a", "b", "c"],
        ),
        (Between(since=NOON, until=NOON), []),
    ],
    ids=str,
)
async def test_a_query_can_be_limited_to_an_age(
    store: RecordStore, created_at: Between, expected: list[str]
) -> None:
    for id, moment in (
        ("c", NOON + timedelta(seconds=0.5)),
        ("b", NOON),
        ("a", NOON - timedelta(microseconds=1)),
    ):
        await store.create(A_TENANT, an_execution(id=id, created_at=moment))

    where = {"created_at": created_at, "status": "pending"}
    assert await found(store, A_TENANT, ExecutionRecord, where, newest_first=False) == expected
    assert await store.count(A_TENANT, ExecutionRecord, where) == len(expected)


@pytest.mark.parametrize(
    ("most", "expected"),
    [(-1.0, ["d"]), (0.0, ["c", "d"]), (99.5, ["b", "c", "d"]), (1e12, ["a", "b", "c", "d"])],
)
async def test_a_query_can_be_limited_to_small_numbers_and_what_has_none(
    store: RecordStore, most: float, expected: list[str]
) -> None:
    for id, next_at in (("a", 1e12), ("b", 99.5), ("c", 0.0), ("d", None)):
        await store.create(A_TENANT, an_approval(id=id, next_at=next_at))
    await store.create(A_TENANT, an_approval(id="settled", next_at=0.0, settled_at=NOON))

    where = {"next_at": NotAbove(most), "settled_at": None}
    assert expected == sorted(await found(store, A_TENANT, ApprovalRecord, where))
    assert len(expected) == await store.count(A_TENANT, ApprovalRecord, where)


async def test_only_the_age_can_be_limited(store: RecordStore) -> None:
    with pytest.raises(ValueError, match="only created_at"):
        await store.query(A_TENANT, Query(ExecutionRecord, {"updated_at": Between(since=NOON)}))


async def test_a_query_for_a_field_that_is_not_there_is_refused(store: RecordStore) -> None:
    with pytest.raises(ValueError, match="no field"):
        await store.query(A_TENANT, Query(ExecutionRecord, {"statsu": "pending"}))


async def test_a_query_for_a_value_that_is_no_scalar_is_refused(store: RecordStore) -> None:
    with pytest.raises(ValueError, match="scalars"):
        await store.query(A_TENANT, Query(ExecutionRecord, {"input": {"amount": 1}}))


async def test_records_are_listed_by_age_and_then_by_id(store: RecordStore) -> None:
    # As plain ISO 8601 text, 12:00:00.5Z sorts before 12:00:00Z, and 13:30+02:00 after both.
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    before_noon = datetime(2026, 1, 1, 13, 30, tzinfo=timezone(timedelta(hours=2)))
    ages = {"d": noon, "c": noon, "e": noon + timedelta(milliseconds=500), "z": before_noon}
    for id, created_at in ages.items():
        await store.create(A_TENANT, an_approval(id=id, created_at=created_at))

    assert await found(store, A_TENANT, ApprovalRecord, newest_first=False) == ["z", "c", "d", "e"]
    assert await found(store, A_TENANT, ApprovalRecord) == ["e", "d", "c", "z"]


@pytest.mark.parametrize("newest_first", [True, False])
async def test_pages_follow_one_another_without_gap_or_repeat(
    store: RecordStore, newest_first: bool
) -> None:
    start = now()
    records = [
        an_approval(created_at=start + timedelta(seconds=number // 3)) for number in range(250)
    ]
    await asyncio.gather(*(store.create(A_TENANT, record) for record in records))

    pages: list[list[ApprovalRecord]] = []
    continuation = None
    while continuation is not None or not pages:
        page = await store.query(
            A_TENANT,
            Query(ApprovalRecord, newest_first=newest_first, limit=100, continuation=continuation),
        )
        pages.append([stored.record for stored in page.items])
        continuation = page.continuation

    in_order = sorted(
        records, key=lambda record: (record.created_at, record.id), reverse=newest_first
    )
    assert [len(page) for page in pages] == [100, 100, 50]
    assert [record for page in pages for record in page] == in_order


async def test_a_page_that_holds_all_has_no_continuation(store: RecordStore) -> None:
    for _ in range(3):
        await store.create(A_TENANT, an_approval())

    assert (await store.query(A_TENANT, Query(ApprovalRecord, limit=3))).continuation is None


@pytest.mark.parametrize("limit", [0, -1, 1001])
async def test_a_page_has_one_to_a_thousand_records(store: RecordStore, limit: int) -> None:
    with pytest.raises(ValueError, match="1 to 1000"):
        await store.query(A_TENANT, Query(ApprovalRecord, limit=limit))


async def test_a_continuation_serves_the_query_it_came_from_only(store: RecordStore) -> None:
    for tenant_id in (A_TENANT, A_TENANT, ANOTHER_TENANT):
        await store.create(tenant_id, an_approval(tenant_id=tenant_id))
    token = (await store.query(A_TENANT, Query(ApprovalRecord, limit=1))).continuation
    assert token is not None

    with pytest.raises(ValueError, match="continuation"):
        await store.query(ANOTHER_TENANT, Query(ApprovalRecord, continuation=token))
    with pytest.raises(ValueError, match="continuation"):
        await store.query(A_TENANT, Query(ExecutionRecord, continuation=token))
    with pytest.raises(ValueError, match="continuation"):
        await store.query(A_TENANT, Query(ApprovalRecord, newest_first=False, continuation=token))
    for tampered in ("", "nonsense", token[:-4], token[:-8] + "AAAAAAAA", "é"):
        with pytest.raises(ValueError, match="continuation"):
            await store.query(A_TENANT, Query(ApprovalRecord, continuation=tampered))


# --- the store itself -----------------------------------------------------------------------------


async def test_provisioning_again_keeps_what_is_there(store: RecordStore) -> None:
    record = an_execution()
    await store.create(A_TENANT, record)

    await asyncio.gather(*(store.provision() for _ in range(3)))

    assert (await store.read(A_TENANT, ExecutionRecord, record.id)).record == record


async def test_a_store_that_answers_can_be_pinged(store: RecordStore) -> None:
    await store.ping()


# --- records that cannot be read ------------------------------------------------------------------


async def test_who_asks_for_a_record_that_cannot_be_read_is_told_which_it_is(
    store: RecordStore,
) -> None:
    id = await put_unreadable(store, ExecutionRecord, A_TENANT)

    expected = f"execution {id} of tenant {A_TENANT} cannot be read: .+"
    with pytest.raises(UnreadableRecord, match=expected):
        await store.read(A_TENANT, ExecutionRecord, id)
    with pytest.raises(UnreadableRecord, match=expected):
        await store.query(A_TENANT, Query(ExecutionRecord))
    with pytest.raises(UnreadableRecord, match=expected):
        await those(store, A_TENANT, ExecutionRecord, [id])
    assert {} == await those(store, A_TENANT, ExecutionRecord, [id], skips_unreadable=True)


@pytest.mark.parametrize("newest_first", [True, False])
async def test_a_query_that_skips_them_gives_all_others_whatever_the_page(
    store: RecordStore, newest_first: bool
) -> None:
    good = [an_execution(created_at=NOON.replace(hour=hour)) for hour in (1, 3, 5, 7)]
    await store.create_all(A_TENANT, good)
    for hour in (0, 2, 4, 4, 4, 8):
        moment = NOON.replace(hour=hour).isoformat(timespec="microseconds")
        await put_unreadable(store, ExecutionRecord, A_TENANT, created_at=moment, status="pending")
    skipped = Gain("workflow_orchestrator_unreadable_records_total", kind="execution")
    expected = [record.id for record in (reversed(good) if newest_first else good)]

    for limit in (1, 2, 3, 4, 10):
        query = Query(
            ExecutionRecord, newest_first=newest_first, limit=limit, skips_unreadable=True
        )
        assert expected == await ids_page_by_page(store, A_TENANT, query), limit
    assert 6 * 5 <= skipped()
    assert set(expected) == {
        stored.record.id
        async for stored in every(store, A_TENANT, ExecutionRecord, skips_unreadable=True)
    }


# --- one adapter only -----------------------------------------------------------------------------


async def test_records_survive_the_closing_of_their_file(tmp_path: Path) -> None:
    record = an_execution()
    async with SqliteRecordStore(tmp_path / "records.db") as store:
        created = await store.create(A_TENANT, record)

    async with SqliteRecordStore(tmp_path / "records.db") as store:
        assert await store.read(A_TENANT, ExecutionRecord, record.id) == created


async def test_two_stores_on_one_file_see_each_other(tmp_path: Path) -> None:
    file = tmp_path / "records.db"
    async with SqliteRecordStore(file) as one, SqliteRecordStore(file) as other:
        created = await one.create(A_TENANT, an_execution())

        assert await other.read(A_TENANT, ExecutionRecord, created.record.id) == created


async def test_a_closed_file_is_unavailable(tmp_path: Path) -> None:
    async with SqliteRecordStore(tmp_path / "records.db") as store:
        pass

    with pytest.raises(Unavailable):
        await store.ping()


@pytest.mark.long
async def test_cosmos_db_may_go_and_come_back() -> None:
    with CosmosEmulator() as emulator:
        async with cosmos_store(emulator) as store:
            await store.provision()

            emulator.kill()
            for attempt in (
                store.ping(),
                store.create(A_TENANT, an_execution()),
                store.query(A_TENANT, Query(ApprovalRecord)),
            ):
                with pytest.raises(Unavailable):
                    await attempt

            emulator.start()
            await store.provision()
            await store.create(A_TENANT, an_execution(id="after"))
            assert await found(store, A_TENANT, ExecutionRecord) == ["after"]


async def test_a_cosmos_db_that_is_not_provisioned_is_unavailable(
    cosmos_emulator: CosmosEmulator,
) -> None:
    async with cosmos_store(cosmos_emulator, database=new_id()) as store:
        for attempt in (
            store.ping(),
            store.create(A_TENANT, an_execution()),
            store.query(A_TENANT, Query(ApprovalRecord)),
        ):
            with pytest.raises(Unavailable):
                await attempt


async def test_a_store_may_be_opened_before_its_cosmos_db_is_there() -> None:
    emulator = CosmosEmulator()  # not started
    async with cosmos_store(emulator) as store:
        with pytest.raises(Unavailable):
            await store.ping()
        emulator.start()
        await store.provision()
        await store.ping()
    emulator.close()


async def test_a_cosmos_db_under_a_strangers_certificate_is_not_spoken_to(
    cosmos_emulator: CosmosEmulator,
) -> None:
    stranger = CosmosEmulator()
    async with CosmosRecordStore(
        cosmos_emulator.endpoint, cosmos_emulator.key, database="any", ca_file=str(stranger.ca_file)
    ) as store:
        with pytest.raises(Unavailable):
            await store.provision()
    stranger.close()


async def found(
    store: RecordStore,
    tenant_id: str,
    kind: type[Record],
    where: Where = NO_CONDITION,
    **options: Any,
) -> list[str]:
    page = await store.query(tenant_id, Query(kind, where, **options))
    return [stored.record.id for stored in page.items]
