"""The record store answers, and has its containers."""

from time import monotonic

from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.records import ApprovalRecord, DispatchPolicy, ExecutionRecord, StepRecord
from blocks.contracts.records.audit import AuditEntry
from blocks.contracts.records.claims import ClaimRecord
from blocks.contracts.records.dead_letters import DeadLetterRecord
from blocks.ports import Query, Unavailable
from deployments.doctor.connections import Connections
from deployments.doctor.finding import Finding, failed, ok, warning

ONE_OF_EACH = (
    DispatchPolicy,
    ExecutionRecord,
    StepRecord,
    ApprovalRecord,
    DeadLetterRecord,
    AuditEntry,
    ClaimRecord,
)
"""A kind of record of each container."""

SLOW_SECONDS = 1.0


async def store(connections: Connections) -> list[Finding]:
    """Every container answers a query, and quickly."""
    assert connections.store
    missing, slowest = [], 0.0
    for kind in ONE_OF_EACH:
        began = monotonic()
        try:
            await connections.store.query(SYSTEM_TENANT, Query(kind, limit=1))
        except Unavailable as error:
            missing.append(f"{kind.container} ({error})")
        slowest = max(slowest, monotonic() - began)
    where = connections.settings.cosmos_db.endpoint
    if missing:
        return [
            failed(
                "store",
                f"{where} answers, but not: {'; '.join(missing)}",
                "run `orchestrator bootstrap`",
            )
        ]
    if slowest > SLOW_SECONDS:
        found = f"{where}: one of its containers took {slowest:.1f} s to answer"
        return [warning("store", found, "look at its throughput (429s) and at the network")]
    return [
        ok(
            "store",
            f"{where}: all {len(ONE_OF_EACH)} containers answer, the slowest in "
            f"{1000 * slowest:.0f} ms",
        )
    ]
