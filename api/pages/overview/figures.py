"""How the work is going, in numbers: what an index counts, and the newest records."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from math import ceil

import msgspec

from api.executions.documents import ExecutionSummary
from api.executions.listing import page_of_executions
from api.http.lists import part_of
from api.usage.documents import Usage
from api.usage.routes import usage_now
from blocks.contracts.records import ApprovalRecord, ExecutionRecord
from blocks.contracts.states import OPEN
from blocks.ports import Between, Query, RecordStore
from blocks.queries import tenants
from blocks.settings import Settings

NEWEST = 8
HOURS = 24
PACED = 50
"""The newest executions that have ended, of which the typical time is."""
TENANTS = 25

_DAY = timedelta(days=1)


class Now(msgspec.Struct, frozen=True, kw_only=True):
    """What changes while one looks."""

    usage: Usage
    accepted_today: int
    failed: int
    """Accepted within a day, and failed."""
    oldest_pending: datetime | None
    oldest_approval: datetime | None
    newest: list[ExecutionSummary]


class Pace(msgspec.Struct, frozen=True):
    """Of the newest that have ended: seconds from acceptance to end, by nearest rank."""

    median: float
    ninety_fifth: float
    outcomes: list[ExecutionSummary]
    """Oldest first."""


class TenantLine(msgspec.Struct, frozen=True):
    """One tenant, as the platform's operators see it."""

    tenant_id: str
    open: int
    failed: int
    pending_approvals: int


async def now_of(store: RecordStore, settings: Settings, tenant_id: str, at: datetime) -> Now:
    """The tenant's work at this moment."""
    usage, failed, pending, approval, newest = await asyncio.gather(
        usage_now(store, settings, tenant_id),
        _failed(store, tenant_id, at),
        _oldest(store, tenant_id, ExecutionRecord),
        _oldest(store, tenant_id, ApprovalRecord),
        page_of_executions(store, tenant_id, {}, limit=NEWEST, continuation=None),
    )
    return Now(
        usage=usage,
        accepted_today=sum(one.today for one in usage.accepted.values()),
        failed=failed,
        oldest_pending=pending,
        oldest_approval=approval,
        newest=newest.items,
    )


async def per_hour(store: RecordStore, tenant_id: str, at: datetime) -> list[tuple[datetime, int]]:
    """How many executions were accepted in each of the last 24 hours, the present one last."""
    this_hour = at.replace(minute=0, second=0, microsecond=0)
    hours = [this_hour - timedelta(hours=n) for n in reversed(range(HOURS))]
    counts = await asyncio.gather(
        *(
            store.count(
                tenant_id,
                ExecutionRecord,
                {"created_at": Between(since=hour, until=hour + timedelta(hours=1))},
            )
            for hour in hours
        )
    )
    return list(zip(hours, counts, strict=True))


async def pace_of(store: RecordStore, tenant_id: str) -> Pace | None:
    """None: nothing has ended yet."""
    ended = await page_of_executions(
        store,
        tenant_id,
        {"status": ("completed", "failed", "unreported")},
        limit=PACED,
        continuation=None,
    )
    outcomes = list(reversed(ended.items))
    seconds = sorted(
        (one.completed_at - one.created_at).total_seconds()
        for one in outcomes
        if one.completed_at and one.status == "completed"
    )
    if not seconds:
        return None
    return Pace(_rank(seconds, 0.5), _rank(seconds, 0.95), outcomes)


async def tenants_of_platform(
    store: RecordStore, at: datetime, continuation: str | None
) -> tuple[list[TenantLine], str | None]:
    """A page of all tenants that ever had work, and where the next begins.

    Raises `InvalidRequest` for a continuation that is none.
    """
    some, following = part_of(await tenants(store), limit=TENANTS, continuation=continuation)
    return await asyncio.gather(*(_line(store, one, at) for one in some)), following


async def _line(store: RecordStore, tenant_id: str, at: datetime) -> TenantLine:
    return TenantLine(
        tenant_id,
        await store.count(tenant_id, ExecutionRecord, {"status": OPEN}),
        await _failed(store, tenant_id, at),
        await store.count(tenant_id, ApprovalRecord, {"status": "pending"}),
    )


async def _failed(store: RecordStore, tenant_id: str, at: datetime) -> int:
    where = {"status": "failed", "created_at": Between(since=at - _DAY)}
    return await store.count(tenant_id, ExecutionRecord, where)


async def _oldest(
    store: RecordStore, tenant_id: str, kind: type[ExecutionRecord] | type[ApprovalRecord]
) -> datetime | None:
    query = Query(kind, {"status": "pending"}, newest_first=False, limit=1, skips_unreadable=True)
    found = (await store.query(tenant_id, query)).items
    return found[0].record.created_at if found else None


def _rank(ordered: Sequence[float], share: float) -> float:
    return ordered[ceil(share * len(ordered)) - 1]
