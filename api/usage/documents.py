"""A tenant's use of the system as it looks over HTTP."""

from datetime import datetime

import msgspec

from api.http.documents import Document
from blocks.contracts.records import TenantShare
from blocks.tenants import usage


class AcceptedExecutions(Document, frozen=True, kw_only=True):
    """Executions of one workflow, accepted since the day and since the month began, in UTC."""

    today: int
    this_month: int


class OpenWork(Document, frozen=True, kw_only=True):
    """What has not ended: executions by status, and what waits for people."""

    pending: int
    running: int
    awaiting_approval: int
    waiting: int
    """At rest until something from outside comes, e.g. a payout."""
    pending_approvals: int
    dead_letters: int


class TenantLimits(Document, frozen=True, kw_only=True, omit_defaults=False):
    """What the tenant may use; null is no limit. Weight and priority count while others want the
    system, too.
    """

    requests_per_minute: int | None
    running_max: int | None
    weight: float
    priority: int


class Usage(Document, frozen=True, kw_only=True):
    """What the tenant uses, and what it may use; `accepted` is by workflow."""

    at: datetime
    accepted: dict[str, AcceptedExecutions]
    now: OpenWork
    limits: TenantLimits


def usage_of(
    found: usage.Usage, share: TenantShare, requests_per_minute: int, at: datetime
) -> Usage:
    accepted = {
        workflow: AcceptedExecutions(today=counted.today, this_month=counted.this_month)
        for workflow, counted in found.accepted.items()
    }
    return Usage(
        at=at,
        accepted=accepted,
        now=OpenWork(**msgspec.structs.asdict(found.now)),
        limits=TenantLimits(
            requests_per_minute=requests_per_minute or None,
            running_max=share.running_max,
            weight=share.weight,
            priority=share.priority,
        ),
    )
