"""The reconciler: a process leads it, it looks periodically, and its looks succeed."""

from datetime import datetime, timedelta

from blocks.clock import utc_now
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.records import ReconcilerRecord
from blocks.ports import NotFound
from deployments.doctor.connections import Connections
from deployments.doctor.finding import Finding, failed, in_words, ok, warning

START = "start an API: `orchestrator api`"


async def reconciler(connections: Connections) -> list[Finding]:
    """A line for the leader, and one for each kind of drift that it cannot look for."""
    assert connections.store
    try:
        record = (
            await connections.store.read(SYSTEM_TENANT, ReconcilerRecord, ReconcilerRecord.ID)
        ).record
    except NotFound:
        return [
            failed(
                "reconciler",
                "none has ever led: nothing that a crash leaves behind is repaired",
                START,
            )
        ]
    silence = utc_now() - record.renewed_at
    if record.leader is None:
        return [
            failed("reconciler", f"none leads; the last one stopped {in_words(silence)} ago", START)
        ]
    if silence > timedelta(seconds=3 * record.lease_seconds):
        return [
            failed(
                "reconciler",
                f"{record.leader} has been silent for {in_words(silence)}, and none follows",
                START,
            )
        ]
    return [_leader(connections, record), *_blind(record)]


def _leader(connections: Connections, record: ReconcilerRecord) -> Finding:
    last_look = max((look.at for look in record.looks.values()), default=record.leads_since)
    oldest_look = min((look.at for look in record.looks.values()), default=record.leads_since)
    found = (
        f"{record.leader} leads for {in_words(utc_now() - record.leads_since)}, looked "
        f"{_ago(last_look)}"
    )
    if utc_now() - oldest_look > timedelta(
        seconds=6 * connections.settings.reconciler.interval_seconds + 60
    ):
        kind = min(record.looks, key=lambda kind: record.looks[kind].at)
        return failed(
            "reconciler",
            f"{found}, but for {kind} {_ago(oldest_look)}",
            "its log says why; restart that API",
        )
    repairs = ", ".join(
        f"{look.repaired} {kind}" for kind, look in sorted(record.looks.items()) if look.repaired
    )
    return ok("reconciler", f"{found}; repaired so far: {repairs or 'nothing'}")


def _blind(record: ReconcilerRecord) -> list[Finding]:
    by_error: dict[str, list[str]] = {}
    for kind, look in record.looks.items():
        if look.error:
            by_error.setdefault(look.error, []).append(kind)
    return [
        warning(
            "reconciler",
            f"it cannot look for {', '.join(kinds)}: {error}",
            "the part it names is away for the API",
        )
        for error, kinds in by_error.items()
    ]


def _ago(at: datetime) -> str:
    return f"{in_words(utc_now() - at)} ago"
