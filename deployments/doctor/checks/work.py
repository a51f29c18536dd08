"""Overdue work: executions that wait, run or have ended unannounced for too long."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from blocks.clock import utc_now
from blocks.contracts.records import ExecutionRecord
from blocks.contracts.states import TERMINAL
from blocks.definitions.deadlines import overdue
from blocks.ports import Query, RecordStore
from blocks.queries import tenants
from blocks.settings import Settings
from deployments.doctor.connections import Connections
from deployments.doctor.finding import Finding, failed, in_words, ok, warning

PART = "executions"
_AT_ONCE = 16


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """Executions in one state, the acceptable age of the oldest, and what to do beyond it."""

    called: str
    where: Mapping[str, object]
    warn_after: timedelta
    fail_after: timedelta
    todo: str


def kinds(step_timeout: timedelta) -> tuple[Kind, ...]:
    """A run may take as long as its slowest step may."""
    minute = timedelta(minutes=1)
    return (
        Kind(
            called="ended and not announced",
            where={"status": TERMINAL, "announced_at": None},
            warn_after=minute,
            fail_after=5 * minute,
            todo=(
                "`orchestrator doctor --fix` announces them; is the broker there, does a "
                "reconciler lead?"
            ),
        ),
        Kind(
            called="pending",
            where={"status": "pending"},
            warn_after=minute,
            fail_after=10 * minute,
            todo=(
                "is a listener there, is Prefect, does `orchestrator dispatch show` limit the "
                "tenant?"
            ),
        ),
        Kind(
            called="running",
            where={"status": "running"},
            warn_after=2 * step_timeout + 2 * minute,
            fail_after=timedelta.max,  # a tenant may give its steps more time
            todo="is a worker there? Its flow run in Prefect's UI says where it stands",
        ),
        Kind(
            called="awaiting a person",
            where={"status": "awaiting_approval"},
            warn_after=timedelta(days=14),
            fail_after=timedelta.max,
            todo="`orchestrator approvals list` names them; an approval may need a time limit",
        ),
    )


async def work(connections: Connections) -> list[Finding]:
    """A line for each kind: how many there are, and how old the oldest is."""
    assert connections.store
    store = connections.store
    step_timeout = timedelta(seconds=connections.settings.analysis.step_timeout_seconds)
    owners = await tenants(store)
    kinds_found = await asyncio.gather(
        *(_kind(store, owners, kind) for kind in kinds(step_timeout))
    )
    return [*kinds_found, await _past_their_deadline(connections.settings, store, owners)]


async def _past_their_deadline(
    settings: Settings, store: RecordStore, owners: Sequence[str]
) -> Finding:
    """Those that run although their longest step is past its deadline."""
    late = await overdue(store, settings, owners)
    if not late:
        return ok(PART, "past their deadline: none")
    oldest = max(late, key=lambda one: one.late)
    record = oldest.stored.record
    found = (
        f"past their deadline: {len(late)}, the oldest for {in_words(oldest.late)} "
        f"(execution {record.id} of tenant {record.tenant_id})"
    )
    after = in_words(timedelta(seconds=settings.analysis.end_overdue_after_seconds))
    todo = (
        f"restart the worker that holds it (its /ready says so); a reconciler ends it {after} past "
        "its deadline, or `orchestrator doctor --fix` does then"
    )
    return failed(PART, found, todo)


async def _kind(store: RecordStore, owners: Sequence[str], kind: Kind) -> Finding:
    room = asyncio.Semaphore(_AT_ONCE)

    async def of_tenant(tenant_id: str) -> tuple[int, ExecutionRecord | None]:
        async with room:
            count = await store.count(tenant_id, ExecutionRecord, kind.where)
            if not count:
                return 0, None
            page = await store.query(
                tenant_id, Query(ExecutionRecord, kind.where, newest_first=False, limit=1)
            )
            return count, page.items[0].record if page.items else None

    found = await asyncio.gather(*(of_tenant(tenant_id) for tenant_id in owners))
    oldest = min((record for _, record in found if record), key=_since, default=None)
    return _judged(kind, sum(count for count, _ in found), oldest)


def _judged(kind: Kind, count: int, oldest: ExecutionRecord | None) -> Finding:
    if oldest is None:
        return ok(PART, f"{kind.called}: none")
    age = utc_now() - _since(oldest)
    found = f"{kind.called}: {count}, the oldest for {in_words(age)}"
    named = f"{found} (execution {oldest.id} of tenant {oldest.tenant_id})"
    if age > kind.fail_after:
        return failed(PART, named, kind.todo)
    return warning(PART, named, kind.todo) if age > kind.warn_after else ok(PART, found)


def _since(record: ExecutionRecord) -> datetime:
    """When it entered its state, as far as the record has it."""
    return record.completed_at or record.started_at or record.waiting_since
