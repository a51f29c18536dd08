"""Executions go when their time is over, and with them what is theirs alone; on both stores."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest

from api.executions import retention as chore
from api.executions.retention import delete_old_executions
from blocks.actions.retrying import reopen_execution
from blocks.adapters.forwarding import ForwardingRecordStore
from blocks.adapters.sqlite.event_bus import SqliteEventBus
from blocks.contracts.ids import SYSTEM_TENANT, step_record_id
from blocks.contracts.records import ApprovalRecord, ExecutionRecord, Record, StepRecord
from blocks.executions import retention
from blocks.executions.retention import OldExecutions, Retention, old_executions
from blocks.ports import NotFound, RecordStore, Unavailable
from blocks.processes.ending import ended
from blocks.queries import every
from blocks.settings import load_settings
from tests.ports.test_record_store import store as store
from tests.support.factories import (
    A_TENANT,
    ANOTHER_TENANT,
    a_step,
    a_tenant_record,
    an_approval,
    an_execution,
    now,
)
from tests.support.metrics import Gain
from tests.support.waiting import eventually

T = TypeVar("T")

BEFORE = now() - timedelta(days=90)
LONG_AGO = BEFORE - timedelta(days=1)
LATELY = BEFORE + timedelta(days=1)

DELETED = "workflow_orchestrator_executions_deleted_total"
FAILED = "workflow_orchestrator_execution_deletions_failed_total"


async def an_old_execution(store: RecordStore, **changes: Any) -> ExecutionRecord:
    """Over long ago; it had two steps, a failed one in an earlier try, and an approval."""
    ended = {"created_at": LONG_AGO, "completed_at": LONG_AGO, "announced_at": LONG_AGO}
    execution = an_execution(**{"status": "completed", **ended, **changes})
    its = {"execution_id": execution.id, "tenant_id": execution.tenant_id}
    await store.create(execution.tenant_id, execution)
    await store.create_all(
        execution.tenant_id,
        [
            a_step(step="risk_analysis", **its),
            a_step(step="forecast", **its),
            a_step(id=step_record_id(execution.id, "forecast", 1), step="forecast", **its),
        ],
    )
    await store.create(
        execution.tenant_id, an_approval(status="approved", settled_at=LONG_AGO, **its)
    )
    return execution


async def left(store: RecordStore, tenant_id: str = A_TENANT) -> list[Record]:
    kinds: tuple[type[Record], ...] = (ExecutionRecord, StepRecord, ApprovalRecord)
    return [stored.record for kind in kinds async for stored in every(store, tenant_id, kind)]


async def test_an_execution_that_was_over_long_ago_goes_with_its_steps_and_approvals(
    store: RecordStore,
) -> None:
    await an_old_execution(store)
    bystander = an_approval(execution_id=None, created_at=LONG_AGO)
    await store.create(A_TENANT, bystander)
    counted = Gain(DELETED, workflow="opportunity-analysis")

    assert 1 == await Retention().delete(store, A_TENANT, BEFORE)

    assert [bystander] == await left(store)
    assert 1 == counted()


@pytest.mark.parametrize(
    "changes",
    [
        {"completed_at": LATELY, "announced_at": LATELY},
        {"announced_at": LATELY},
        {"announced_at": None},
        {"status": "failed", "announced_at": None},
        {"status": "running", "completed_at": None, "announced_at": None},
        {"status": "awaiting_approval", "completed_at": None, "announced_at": None},
        {"status": "pending", "completed_at": None, "announced_at": None},
        {"workflow": "claim-recovery"},
        {"workflow": "batch-job"},
        {"workflow": "of-another-version"},
    ],
    ids=[
        "ended lately",
        "announced lately",
        "not announced",
        "failed, not announced",
        "running",
        "at its gate",
        "pending",
        "claim recovery",
        "a batch job",
        "of another version",
    ],
)
async def test_what_is_not_over_for_so_long_or_is_kept_for_ever_stays(
    store: RecordStore, changes: dict[str, Any]
) -> None:
    await an_old_execution(store, **changes)

    assert 0 == await Retention().delete(store, A_TENANT, BEFORE)

    assert 5 == len(await left(store))


@pytest.mark.parametrize("status", ["pending", "approved"])
async def test_an_approval_for_which_something_is_due_keeps_its_execution(
    store: RecordStore, status: Any
) -> None:
    execution = await an_old_execution(store)
    await store.create(A_TENANT, an_approval(status=status, execution_id=execution.id))

    assert 0 == await Retention().delete(store, A_TENANT, BEFORE)

    assert 6 == len(await left(store))


async def test_only_the_named_tenants_executions_go(store: RecordStore) -> None:
    await an_old_execution(store, tenant_id=ANOTHER_TENANT)

    assert 0 == await Retention().delete(store, A_TENANT, BEFORE)

    assert 5 == len(await left(store, ANOTHER_TENANT))


async def test_a_look_is_bounded_and_goes_past_what_must_stay(
    store: RecordStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "EXECUTIONS_OF_A_TENANT", 2)
    for minutes in range(4):
        at = LONG_AGO + timedelta(minutes=minutes)
        await an_old_execution(store, created_at=at, announced_at=None if minutes < 2 else LONG_AGO)
    looks = Retention()

    counts = [await looks.delete(store, A_TENANT, BEFORE)]
    while looks.has_more(A_TENANT):
        counts.append(await looks.delete(store, A_TENANT, BEFORE))

    assert [0, 2] == counts


async def test_unless_a_time_is_set_nothing_is_deleted(store: RecordStore) -> None:
    await store.create(SYSTEM_TENANT, a_tenant_record(tenant=A_TENANT))
    await an_old_execution(store)

    await delete_old_executions(load_settings({}), store)  # does not look again and again

    assert 5 == len(await left(store))


async def test_it_is_looked_until_no_tenant_has_more(
    store: RecordStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "EXECUTIONS_OF_A_TENANT", 2)
    monkeypatch.setattr(chore, "_PAUSE_SECONDS", 0.0)
    for tenant_id, count in ((A_TENANT, 5), (ANOTHER_TENANT, 1)):
        await store.create(SYSTEM_TENANT, a_tenant_record(tenant=tenant_id))
        for _ in range(count):
            await an_old_execution(store, tenant_id=tenant_id)
    await an_old_execution(store, tenant_id=SYSTEM_TENANT, workflow="cms-sync")
    settings = load_settings({"EXECUTIONS_KEPT_DAYS": "90"})

    async def all_are_gone() -> bool:
        tenants = (A_TENANT, ANOTHER_TENANT, SYSTEM_TENANT)
        return [] == [one for tenant_id in tenants for one in await left(store, tenant_id)]

    looking = asyncio.create_task(delete_old_executions(settings, store))
    try:
        await eventually(all_are_gone, within_seconds=20)
    finally:
        await ended(looking)


async def test_a_page_that_cannot_be_read_does_not_keep_other_tenants(store: RecordStore) -> None:
    for tenant_id in (A_TENANT, ANOTHER_TENANT):
        await store.create(SYSTEM_TENANT, a_tenant_record(tenant=tenant_id))
        await an_old_execution(store, tenant_id=tenant_id)
    await an_old_execution(store, tenant_id=SYSTEM_TENANT, workflow="cms-sync")
    tenants = (A_TENANT, ANOTHER_TENANT, SYSTEM_TENANT)  # in whichever order
    failed = Gain(FAILED)

    async def odd() -> None:
        raise RuntimeError("odd")

    async def one_is_left() -> bool:
        return 5 == sum([len(await left(store, tenant_id)) for tenant_id in tenants])

    busy = Interfering(store, "query", ExecutionRecord, odd)
    looking = asyncio.create_task(
        delete_old_executions(load_settings({"EXECUTIONS_KEPT_DAYS": "90"}), busy)
    )
    try:
        await eventually(one_is_left, within_seconds=20)
    finally:
        await ended(looking)
    assert 1 == failed()


# --- what happens at the same time ----------------------------------------------------------------


class Interfering(ForwardingRecordStore):
    """Something happens just before the first request of this name about this kind."""

    def __init__(
        self,
        store: RecordStore,
        operation: str,
        kind: type[Record],
        happens: Callable[[], Awaitable[object]],
    ) -> None:
        super().__init__(store)
        self._at, self._happens = (operation, kind), happens
        self._has_happened = False

    async def _ask(
        self, operation: str, kind: type[Record] | None, request: Callable[[], Awaitable[T]]
    ) -> T:
        if (operation, kind) == self._at and not self._has_happened:
            self._has_happened = True
            await self._happens()
        return await super()._ask(operation, kind, request)


async def retried(store: RecordStore, folder: Path, execution: ExecutionRecord) -> None:
    async with SqliteEventBus(folder / "bus.db") as bus:
        await reopen_execution(store, bus, A_TENANT, execution.id)


async def test_an_execution_that_is_retried_while_others_are_deleted_keeps_its_steps(
    store: RecordStore, tmp_path: Path
) -> None:
    execution = await an_old_execution(store, status="failed")
    busy = Interfering(store, "read", ExecutionRecord, lambda: retried(store, tmp_path, execution))

    assert 0 == await Retention().delete(busy, A_TENANT, BEFORE)

    assert 5 == len(await left(store))


async def test_an_execution_that_is_retried_at_that_very_moment_stays(
    store: RecordStore, tmp_path: Path
) -> None:
    execution = await an_old_execution(store, status="failed")
    busy = Interfering(
        store, "delete", ExecutionRecord, lambda: retried(store, tmp_path, execution)
    )

    assert 0 == await Retention().delete(busy, A_TENANT, BEFORE)

    [stays] = await left(store)
    assert isinstance(stays, ExecutionRecord)
    assert (execution.id, "pending", 1) == (stays.id, stays.status, stays.retries)


@pytest.mark.parametrize("kind", [StepRecord, ApprovalRecord, ExecutionRecord])
async def test_a_look_that_the_stores_outage_ends_leaves_no_step_without_its_execution(
    store: RecordStore, kind: type[Record]
) -> None:
    await an_old_execution(store)

    async def outage() -> None:
        raise Unavailable("the store is away")

    failed = Gain(FAILED)
    with pytest.raises(Unavailable):
        await Retention().delete(Interfering(store, "delete", kind, outage), A_TENANT, BEFORE)

    assert 1 == failed()
    assert any(isinstance(record, ExecutionRecord) for record in await left(store))
    assert 1 == await Retention().delete(store, A_TENANT, BEFORE)
    assert [] == await left(store)


async def test_one_that_cannot_be_deleted_does_not_keep_the_others(store: RecordStore) -> None:
    for _ in range(3):
        await an_old_execution(store)

    async def odd() -> None:
        raise RuntimeError("odd")

    failed = Gain(FAILED)

    busy = Interfering(store, "delete", ExecutionRecord, odd)
    assert 2 == await Retention().delete(busy, A_TENANT, BEFORE)
    assert 1 == failed()
    assert 1 == len(await left(store))


async def test_another_leader_may_have_deleted_it(store: RecordStore) -> None:
    execution = await an_old_execution(store)
    busy = Interfering(
        store,
        "read",
        ExecutionRecord,
        lambda: store.delete(A_TENANT, ExecutionRecord, execution.id),
    )

    assert 0 == await Retention().delete(busy, A_TENANT, BEFORE)


# --- afterwards -----------------------------------------------------------------------------------


async def test_what_is_deleted_is_not_found_by_a_retry(store: RecordStore, tmp_path: Path) -> None:
    execution = await an_old_execution(store, status="failed")
    await Retention().delete(store, A_TENANT, BEFORE)

    with pytest.raises(NotFound):
        await retried(store, tmp_path, execution)


async def test_it_is_counted_beforehand_what_may_go(store: RecordStore) -> None:
    await store.create(SYSTEM_TENANT, a_tenant_record(tenant=A_TENANT))
    for changes in ({}, {"status": "failed"}, {"created_at": LATELY}, {"status": "running"}):
        await an_old_execution(store, **changes)
    await an_old_execution(store, tenant_id=SYSTEM_TENANT, workflow="cms-sync")
    await an_old_execution(store, tenant_id=SYSTEM_TENANT, workflow="batch-job")

    assert [
        OldExecutions(tenant_id=SYSTEM_TENANT, workflow="cms-sync", executions=1),
        OldExecutions(tenant_id=A_TENANT, workflow="opportunity-analysis", executions=2),
    ] == await old_executions(store, BEFORE)


async def test_steps_of_executions_that_stay_are_as_they_were(store: RecordStore) -> None:
    await an_old_execution(store)
    kept = await an_old_execution(store, completed_at=LATELY, announced_at=LATELY)
    before = [record for record in await left(store) if kept.id in str(record)]

    await Retention().delete(store, A_TENANT, BEFORE)

    assert before == await left(store)
