"""The audit log of the last day: who was refused how often."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from blocks.clock import utc_now
from blocks.contracts.events import JsonObject
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.records.audit import AuditEntry
from blocks.operations.security.findings import Finding, finding, listed
from blocks.ports import Between, RecordStore
from blocks.queries import every, tenants
from blocks.settings.operations import SecurityAudit

_WINDOW = timedelta(days=1)


class _Sender(NamedTuple):
    tenant_id: str
    name: str
    credential: str

    def __str__(self) -> str:
        return f"{self.name or 'unnamed'} ({self.credential}) of tenant {self.tenant_id}"


async def review(
    settings: SecurityAudit, store: RecordStore, until: datetime | None = None
) -> JsonObject:
    """The refused requests of the day before this moment (None: now), of all tenants.

    Returns `logsReviewed` (of tenants), `requestsRefused`, `suspiciousActivity` and `suspicious`:
    senders with more than the settings allow. Raises `Unavailable`.
    """
    until = until or utc_now()
    ids = sorted({SYSTEM_TENANT, *await tenants(store)})
    refused = Counter[_Sender]()
    for tenant_id in ids:
        where = {"created_at": Between(since=until - _WINDOW, until=until), "result": "refused"}
        async for stored in every(store, tenant_id, AuditEntry, where):
            refused[_sender(stored.record)] += 1
    suspicious = [*_too_many(refused, settings.refusals_max)]
    return {
        "logsReviewed": len(ids),
        "requestsRefused": refused.total(),
        "suspiciousActivity": len(suspicious),
        **listed("suspicious", suspicious),
    }


def _sender(entry: AuditEntry) -> _Sender:
    """Who showed the credential: a service may name as many users as it likes."""
    return _Sender(entry.tenant_id, entry.service or entry.actor or "", entry.credential)


def _too_many(refused: Counter[_Sender], limit: int) -> Iterator[Finding]:
    for sender, count in refused.most_common():
        if count > limit:
            yield finding(
                "high",
                str(sender),
                f"{count:,} refused requests within a day",
                "orchestrator audit list shows them; revoke the credential if it is not theirs",
            )
