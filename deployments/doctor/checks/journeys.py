"""Journeys of claim recovery: how many are at rest, and whether one of them needs a person."""

import asyncio
from datetime import datetime, timedelta

import msgspec

from blocks.claims import rest
from blocks.claims.journeys import phases_of
from blocks.clock import utc_now
from blocks.contracts.claims.phases import PHASES, WORKFLOW
from blocks.contracts.claims.workflow import STEPS
from blocks.contracts.records import ExecutionRecord
from blocks.contracts.records.claims import PhaseRecord
from blocks.ports import Query, RecordStore, Where
from blocks.queries import tenants
from deployments.doctor.connections import Connections
from deployments.doctor.finding import Finding, in_words, ok, warning

PART = "journeys"
_AT_ONCE = 16
_LATE_LOOKED_AT = 200
"""Phases under way of a tenant, the oldest first."""

_TO_BE_BEGUN = timedelta(minutes=1)

_AT_REST: Where = {"workflow": WORKFLOW, "status": "waiting"}
_WITH_FAILURES: Where = {**_AT_REST, "failed_step": STEPS}


class _OfTenant(msgspec.Struct, frozen=True, kw_only=True):
    at_rest: int
    with_failures: int
    failed: PhaseRecord | None
    """The one that failed first, of the oldest of these journeys."""
    late: PhaseRecord | None
    """The one that is past its limit for longest, and neither done nor failed."""


async def journeys(connections: Connections) -> list[Finding]:
    """A line for those at rest, and one for phases under way that are past their limit."""
    assert connections.store
    store, room = connections.store, asyncio.Semaphore(_AT_ONCE)

    async def of_tenant(tenant_id: str) -> _OfTenant:
        async with room:
            return await _of_tenant(store, tenant_id)

    found = await asyncio.gather(*(of_tenant(one) for one in await tenants(store)))
    return [_at_rest(found), _past_their_limit([one.late for one in found if one.late])]


async def _of_tenant(store: RecordStore, tenant_id: str) -> _OfTenant:
    with_failures = await store.count(tenant_id, ExecutionRecord, _WITH_FAILURES)
    return _OfTenant(
        at_rest=await store.count(tenant_id, ExecutionRecord, _AT_REST),
        with_failures=with_failures,
        failed=await _failed(store, tenant_id) if with_failures else None,
        late=await _late(store, tenant_id),
    )


async def _failed(store: RecordStore, tenant_id: str) -> PhaseRecord | None:
    query = Query(ExecutionRecord, _WITH_FAILURES, newest_first=False, limit=1)
    for journey in (await store.query(tenant_id, query)).items:
        phases = [one.record for one in await phases_of(store, tenant_id, journey.record.id)]
        return min(rest.standing_failures(phases), key=_since, default=None)
    return None


async def _late(store: RecordStore, tenant_id: str) -> PhaseRecord | None:
    under_way = {"status": ("requested", "running")}
    query = Query(PhaseRecord, under_way, newest_first=False, limit=_LATE_LOOKED_AT)
    phases = [one.record for one in (await store.query(tenant_id, query)).items]
    return max((one for one in phases if _late_by(one) > timedelta()), key=_late_by, default=None)


def _at_rest(found: list[_OfTenant]) -> Finding:
    at_rest = sum(one.at_rest for one in found)
    failures = sum(one.with_failures for one in found)
    if not failures:
        return ok(PART, f"at rest: {at_rest}, none with a failed phase")
    line = f"at rest: {at_rest}, {failures} of them with a failed phase"
    failed = [one.failed for one in found if one.failed]
    if failed:
        oldest = min(failed, key=_since)
        age = in_words(utc_now() - _since(oldest))
        line += f", the oldest for {age}: {_named(oldest)}: {oldest.error}"
    return warning(
        PART,
        line,
        "mend what the error names, then `orchestrator executions retry`; "
        "docs/runbooks/stuck-claim.md",
    )


def _past_their_limit(late: list[PhaseRecord]) -> Finding:
    if not late:
        return ok(PART, "phases past their limit: none")
    oldest = max(late, key=_late_by)
    return warning(
        PART,
        f"phases past their limit: the oldest for {in_words(_late_by(oldest))}: {_named(oldest)}, "
        f"{oldest.status}",
        "is a worker there, does its service answer? `orchestrator claims show`; "
        "docs/runbooks/stuck-claim.md",
    )


def _since(phase: PhaseRecord) -> datetime:
    return phase.completed_at or phase.started_at or phase.requested_at


def _late_by(phase: PhaseRecord) -> timedelta:
    """A limit counts from the start of a phase; one that is not begun yet has a while to be."""
    limit = timedelta(seconds=PHASES[phase.phase].limit_seconds)
    return utc_now() - _since(phase) - limit - (timedelta() if phase.started_at else _TO_BE_BEGUN)


def _named(phase: PhaseRecord) -> str:
    claim = f" of claim {phase.trigger.claim_id}" if phase.trigger.claim_id else ""
    return (
        f"{PHASES[phase.phase].name}{claim} of journey {phase.execution_id} of tenant "
        f"{phase.tenant_id}"
    )
