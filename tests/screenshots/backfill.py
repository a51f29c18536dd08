"""A backfill that is half done."""

from datetime import date, timedelta
from urllib.parse import urlencode

from msgspec.structs import replace

from blocks.contracts.ids import SYSTEM_TENANT
from blocks.jobs import backfills, triggers
from blocks.ports import RecordStore
from tests.support.factories import now

JOB = "risk-snapshot-backfill"
_KEY = "of-the-pictures"
_ENDINGS = ("completed", "completed", "failed", "completed", "running", "running", "pending")


async def a_backfill(store: RecordStore) -> str:
    """The path of its progress: ten weeks, of which three wait for their trigger."""
    first = date(2026, 8, 3)
    last = first + timedelta(days=69)
    plan = backfills.plan(
        JOB,
        first=first.isoformat(),
        last=last.isoformat(),
        days=7,
        most=100,
        request_id=_KEY,
        triggered_by="api",
    )
    for place, (piece, status) in enumerate(zip(plan.pieces, _ENDINGS, strict=False)):
        accepted = await triggers.accept(store, plan.request(piece))
        began = now() - timedelta(minutes=9 - place)
        is_over = status in ("completed", "failed")
        run = replace(
            accepted.record,
            status=status,
            created_at=began,
            started_at=began,
            completed_at=began + timedelta(seconds=70 + 9 * place) if is_over else None,
        )
        await store.replace(SYSTEM_TENANT, accepted.etag, run)
    days = {"from": first, "to": last, "days": 7, "key": _KEY}
    return f"/jobs/{JOB}/backfill?{urlencode(days)}"
