"""Refused messages that wait for an operator, and those that no listener has recorded yet."""

from collections import Counter

from blocks.contracts import ids
from blocks.contracts.records.dead_letters import DeadLetterRecord
from blocks.ports import NotFound
from blocks.queries import every, tenants
from blocks.topology import topology
from deployments.doctor.finding import Finding, ok, warning
from deployments.doctor.patient import Patient


async def dead_letters(patient: Patient) -> list[Finding]:
    """A line for each code and each queue with unrecorded ones, or one line if there are none."""
    found = [*await _waiting(patient), *await _uncollected(patient)]
    return found or [ok("dead letters", "none")]


async def _waiting(patient: Patient) -> list[Finding]:
    assert patient.store
    waiting: Counter[str] = Counter()
    for tenant_id in {*await tenants(patient.store), ids.SYSTEM_TENANT}:
        async for stored in every(patient.store, tenant_id, DeadLetterRecord, {"status": "waiting"}):
            waiting[stored.record.code] += 1
    return [warning("dead letters", f"{count} {code}", _todo(code)) for code, count in waiting.most_common()]


def _todo(code: str) -> str:
    return f"`orchestrator dead-letters list --code {code}`; docs/dead-letters.md"


async def _uncollected(patient: Patient) -> list[Finding]:
    assert patient.bus
    found = []
    for queue in topology(patient.settings):
        try:
            count = await patient.bus.depth(queue.dead_letters)
        except NotFound:
            continue  # the queue's own line reports it
        if count:
            todo = "a running listener collects them: orchestrator dead-letters list; docs/dead-letters.md"
            found.append(warning("dead letters", f"{count} in {queue.dead_letters}", todo))
    return found
