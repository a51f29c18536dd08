"""Refused messages that wait for an operator, and those that no listener has recorded yet."""

from collections import Counter

from blocks.contracts import ids
from blocks.contracts.records.dead_letters import DeadLetterRecord
from blocks.ports import NotFound
from blocks.queries import every, tenants
from blocks.topology import topology
from deployments.doctor.connections import Connections
from deployments.doctor.finding import Finding, ok, warning


async def dead_letters(connections: Connections) -> list[Finding]:
    """A line for each code and each queue with unrecorded ones, or one line if there are none."""
    found = [*await _waiting(connections), *await _uncollected(connections)]
    return found or [ok("dead letters", "none")]


async def _waiting(connections: Connections) -> list[Finding]:
    assert connections.store
    waiting: Counter[str] = Counter()
    for tenant_id in {*await tenants(connections.store), ids.SYSTEM_TENANT}:
        async for stored in every(
            connections.store, tenant_id, DeadLetterRecord, {"status": "waiting"}
        ):
            waiting[stored.record.code] += 1
    return [
        warning("dead letters", f"{count} {code}", _todo(code))
        for code, count in waiting.most_common()
    ]


def _todo(code: str) -> str:
    return f"`orchestrator dead-letters list --code {code}`; docs/dead-letters.md"


async def _uncollected(connections: Connections) -> list[Finding]:
    assert connections.bus
    found = []
    for queue in topology(connections.settings):
        try:
            count = await connections.bus.depth(queue.dead_letters)
        except NotFound:
            continue  # the queue's own line reports it
        if count:
            todo = (
                "a running listener collects them: orchestrator dead-letters list; "
                "docs/dead-letters.md"
            )
            found.append(warning("dead letters", f"{count} in {queue.dead_letters}", todo))
    return found
