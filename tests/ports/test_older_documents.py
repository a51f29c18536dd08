"""Documents of the older orchestrator, which have no `kind`, as both record stores read them."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from blocks.contracts.older_service import OlderWorkflow
from blocks.contracts.records import ApprovalRecord, ExecutionRecord
from blocks.ports import Between, NotAbove, NotFound, Query, RecordStore, Stale, Where
from tests.ports.test_record_store import cosmos_store
from tests.ports.test_record_store import store as store
from tests.support.factories import A_TENANT, ANOTHER_TENANT, an_approval, new_id
from tests.support.older_service import left_behind, older_approval, older_workflow
from tests.support.servers.cosmos import CosmosEmulator
from tests.support.stores import ids_page_by_page

APPROVALS, WORKFLOWS = "hitl_approvals", "workflow_workflows"
DAY = datetime(2026, 3, 2, 12, tzinfo=UTC)


async def ids_of(store: RecordStore, where: Where, **query: Any) -> list[str]:
    page = await store.query(A_TENANT, Query(ApprovalRecord, where, **query))
    return [stored.record.id for stored in page.items]


async def test_an_approval_without_a_kind_is_read(store: RecordStore) -> None:
    await left_behind(store, APPROVALS, document := older_approval(extra="kept"))

    approval = (await store.read(A_TENANT, ApprovalRecord, document["id"])).record

    assert ("pending", 0.91, 1_500_000.0, "u-208") == (
        approval.status,
        approval.risk_score,
        approval.amount,
        approval.owner_id,
    )
    assert datetime(2026, 3, 2, 9, 15, 0, 250_000, UTC) == approval.requested_at
    assert (None, None, {"extra": "kept"}) == (
        approval.execution_id,
        approval.expires_at,
        approval.older_fields,
    )


async def test_another_tenant_and_another_kind_do_not_find_it(store: RecordStore) -> None:
    await left_behind(store, APPROVALS, approval := older_approval())
    await left_behind(store, WORKFLOWS, workflow := older_workflow())

    for tenant_id, kind, id in (
        (ANOTHER_TENANT, ApprovalRecord, approval["id"]),
        (A_TENANT, ExecutionRecord, workflow["id"]),
        (A_TENANT, OlderWorkflow, approval["id"]),
    ):
        with pytest.raises(NotFound):
            await store.read(tenant_id, kind, id)
    assert [] == (await store.query(ANOTHER_TENANT, Query(ApprovalRecord))).items


async def test_both_kinds_are_one_list_in_order_whatever_the_page(store: RecordStore) -> None:
    moments = [f"2026-03-02T1{hour}:00:00.000Z" for hour in range(6)]
    older = [older_approval(requestedAt=moments[hour]) for hour in (0, 2, 4)]
    ours = [an_approval(created_at=DAY.replace(hour=10 + hour)) for hour in (1, 3, 5)]
    await left_behind(store, APPROVALS, *older)
    for record in ours:
        await store.create(A_TENANT, record)
    expected = [older[0]["id"], ours[0].id, older[1]["id"], ours[1].id, older[2]["id"], ours[2].id]

    for newest_first in (False, True):
        for limit in (1, 2, 5, 6):
            query = Query(ApprovalRecord, newest_first=newest_first, limit=limit)
            found = await ids_page_by_page(store, A_TENANT, query)
            assert (expected[::-1] if newest_first else expected) == found


@pytest.mark.parametrize(
    ("where", "is_found"),
    [
        ({"status": "pending"}, True),
        ({"status": ("approved", "rejected")}, False),
        ({"subject": "0063X00000A1b2C"}, True),
        ({"opportunity_id": "other"}, False),
        ({"workflow": None}, True),
        ({"execution_id": "some"}, False),
        ({"status": "pending", "settled_at": None}, True),
        ({"status": "pending", "settled_at": None, "next_at": NotAbove(4e9)}, False),
        ({"created_at": Between(since=DAY)}, False),
        ({"created_at": Between(until=DAY)}, True),
        ({"amount": 1_500_000.0}, True),
        ({"origin": "older-service"}, True),
    ],
)
async def test_a_query_finds_it_by_what_it_stands_for(
    store: RecordStore, where: Where, is_found: bool
) -> None:
    await left_behind(store, APPROVALS, document := older_approval())

    assert ([document["id"]] if is_found else []) == await ids_of(store, where)
    assert int(is_found) == await store.count(A_TENANT, ApprovalRecord, where)


async def test_what_is_spelled_oddly_is_still_found(store: RecordStore) -> None:
    await left_behind(store, APPROVALS, document := older_approval(opportunityId=4711))

    assert [document["id"]] == await ids_of(store, {"subject": "4711"})


async def test_what_cannot_be_read_is_no_record(store: RecordStore) -> None:
    odd = [older_approval(status="escalated"), older_approval(id=new_id().upper())]
    await left_behind(store, APPROVALS, *odd)

    assert [] == await ids_of(store, {})
    assert 0 == await store.count(A_TENANT, ApprovalRecord)
    for document in odd:
        with pytest.raises(NotFound):
            await store.read(A_TENANT, ApprovalRecord, document["id"])


async def test_a_replace_makes_a_record_of_it_once(store: RecordStore) -> None:
    await left_behind(store, APPROVALS, document := older_approval())
    read = await store.read(A_TENANT, ApprovalRecord, document["id"])

    outcomes = await asyncio.gather(
        *(
            store.replace(A_TENANT, read.etag, replace(read.record, comment=str(number)))
            for number in range(5)
        ),
        return_exceptions=True,
    )

    assert 4 == sum(isinstance(outcome, Stale) for outcome in outcomes)
    now = await store.read(A_TENANT, ApprovalRecord, document["id"])
    assert now.record.comment is not None
    assert [document["id"]] == await ids_of(store, {})
    assert [] == await store.older_documents(A_TENANT, APPROVALS)
    assert [] == await store.older_tenants(APPROVALS)


async def test_a_decided_one_is_settled(store: RecordStore) -> None:
    decided = older_approval(
        status="rejected", decidedBy="ann", decidedAt="2026-03-02T10:00:00.000Z", comment="no"
    )
    await left_behind(store, APPROVALS, decided)

    approval = (await store.read(A_TENANT, ApprovalRecord, decided["id"])).record

    assert ("ann", "no", approval.decided_at) == (
        approval.decided_by,
        approval.comment,
        approval.settled_at,
    )
    assert approval.published_count == len(approval.history) == 2


async def test_workflows_are_found_by_their_opportunity(store: RecordStore) -> None:
    one, two = (
        older_workflow(createdAt=f"2026-03-0{day}T00:00:00.000Z", odd=[{}]) for day in (1, 2)
    )
    await left_behind(store, WORKFLOWS, one, two, older_workflow(opportunityId="another"))

    page = await store.query(
        A_TENANT, Query(OlderWorkflow, {"opportunity_id": "0063X00000A1b2C"}, limit=10)
    )

    assert [two, one] == [stored.record.document for stored in page.items]


async def test_all_documents_are_paged_through_by_id(store: RecordStore) -> None:
    documents = [older_workflow(status="odd") for _ in range(5)]
    await left_behind(store, WORKFLOWS, *documents)
    await left_behind(store, WORKFLOWS, older_workflow(tenantId=ANOTHER_TENANT))
    found: list[str] = []
    while page := await store.older_documents(A_TENANT, WORKFLOWS, found[-1] if found else "", 2):
        found += [one["id"] for one in page]

    assert sorted(one["id"] for one in documents) == found
    assert sorted([A_TENANT, ANOTHER_TENANT]) == await store.older_tenants(WORKFLOWS)


async def test_a_workflow_is_never_written(store: RecordStore) -> None:
    await left_behind(store, WORKFLOWS, document := older_workflow())
    stored = await store.read(A_TENANT, OlderWorkflow, document["id"])

    with pytest.raises(ValueError, match="never changed or deleted"):
        await store.replace(A_TENANT, stored.etag, stored.record)
    with pytest.raises(ValueError, match="never changed or deleted"):
        await store.delete(A_TENANT, OlderWorkflow, document["id"])


async def test_what_the_older_service_has_not_made_holds_nothing(
    cosmos_emulator: CosmosEmulator,
) -> None:
    async with cosmos_store(cosmos_emulator, database=new_id()) as unprovisioned:
        assert [] == await unprovisioned.older_tenants(APPROVALS)
        assert [] == await unprovisioned.older_documents(A_TENANT, APPROVALS)
