"""The audit log of the last day: who was refused how often, and which address failed to log in."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from blocks.clock import utc_now
from blocks.contracts.events import JsonObject
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.records.audit import FAILED_LOGIN, AuditEntry
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
    """The refused requests and failed logins of the day before this moment (None: now), of all
    tenants.

    Returns `logsReviewed` (of tenants), `requestsRefused`, `loginsFailed`, `suspiciousActivity` and
    `suspicious`: senders and addresses with more than the settings allow. Raises `Unavailable`.
    """
    until = until or utc_now()
    ids = sorted({SYSTEM_TENANT, *await tenants(store)})
    refused, failed = Counter[_Sender](), Counter[str]()
    for tenant_id in ids:
        where = {"created_at": Between(since=until - _WINDOW, until=until), "result": "refused"}
        async for stored in every(store, tenant_id, AuditEntry, where):
            entry = stored.record
            if entry.action == FAILED_LOGIN:
                failed[", ".join(entry.targets)] += sum((entry.failures or {}).values())
            else:
                refused[_sender(entry)] += 1
    suspicious = [
        *_too_many(refused, settings.refusals_max),
        *_failing(failed, settings.failed_logins_max),
    ]
    return {
        "logsReviewed": len(ids),
        "requestsRefused": refused.total(),
        "loginsFailed": failed.total(),
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


def _failing(failed: Counter[str], limit: int) -> Iterator[Finding]:
    for address, count in failed.most_common():
        if count > limit:
            yield finding(
                "high",
                address,
                f"{count:,} failed logins within a day",
                f"orchestrator audit list --tenant {SYSTEM_TENANT} --action {FAILED_LOGIN} shows "
                "them; block the address if it is no client's",
            )
