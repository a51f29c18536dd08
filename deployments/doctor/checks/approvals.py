"""Overdue approvals and decisions without effect: whether the reconciler does its work."""

import asyncio
from datetime import timedelta

from blocks.clock import utc_now
from blocks.contracts.records import ApprovalRecord
from blocks.ports import NotAbove, RecordStore, Where
from blocks.queries import every, tenants
from deployments.doctor.connections import Connections
from deployments.doctor.finding import Finding, failed, in_words, ok

PROMISE = timedelta(minutes=1)
"""The outcome is published at most so long after `expiresAt`."""

TODO = "`orchestrator doctor --fix` does it now; does a reconciler lead?"
_AT_ONCE = 16


async def approvals(connections: Connections) -> list[Finding]:
    """How many approvals are pending, and whether any is overdue."""
    assert connections.store
    owners = await tenants(connections.store)
    waiting = sum(
        [
            await connections.store.count(one, ApprovalRecord, {"status": "pending"})
            for one in owners
        ]
    )
    overdue, unfollowed = (
        await _overdue(connections.store, owners),
        await _unfollowed(connections.store, owners),
    )
    findings = []
    if overdue:
        late = in_words(utc_now() - min(one.expires_at for one in overdue if one.expires_at))
        findings.append(
            failed("approvals", f"{len(overdue)} past their time, the oldest for {late}", TODO)
        )
    if unfollowed:
        found = (
            f"{len(unfollowed)} decided more than a minute ago, and nothing followed (approval "
            f"{unfollowed[0].id})"
        )
        findings.append(failed("approvals", found, TODO))
    return findings or [ok("approvals", f"{waiting} pending, none past its time")]


async def _overdue(store: RecordStore, owners: list[str]) -> list[ApprovalRecord]:
    long_ago = utc_now() - PROMISE
    due = {"status": "pending", "settled_at": None, "next_at": NotAbove(long_ago.timestamp())}
    return [
        one
        for one in await _all(store, owners, due)
        if one.expires_at and one.expires_at < long_ago
    ]


async def _unfollowed(store: RecordStore, owners: list[str]) -> list[ApprovalRecord]:
    decided = {"status": ("approved", "rejected", "expired", "cancelled"), "settled_at": None}
    long_ago = utc_now() - PROMISE
    return [
        one
        for one in await _all(store, owners, decided)
        if one.decided_at and one.decided_at < long_ago
    ]


async def _all(store: RecordStore, owners: list[str], where: Where) -> list[ApprovalRecord]:
    room = asyncio.Semaphore(_AT_ONCE)

    async def of_tenant(tenant_id: str) -> list[ApprovalRecord]:
        async with room:
            return [
                stored.record async for stored in every(store, tenant_id, ApprovalRecord, where)
            ]

    return [one for many in await asyncio.gather(*map(of_tenant, owners)) for one in many]
