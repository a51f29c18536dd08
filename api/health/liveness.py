"""Whether processes of a role are alive, read from their heartbeats in the store."""

from datetime import timedelta

from blocks.clock import TOLERANCE, utc_now
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.records import ProcessRecord
from blocks.ports import RecordStore, Unavailable
from blocks.queries import every


async def expect_process(store: RecordStore, role: str, lost_after_seconds: float) -> None:
    """Raises `Unavailable` unless a ready process of this role sent a heartbeat in the last
    seconds.
    """
    known = [
        stored.record
        async for stored in every(
            store, SYSTEM_TENANT, ProcessRecord, {"role": role}, skips_unreadable=True
        )
    ]
    if not known:
        raise Unavailable(f"no {role} has ever sent a heartbeat")
    earliest = utc_now() - timedelta(seconds=lost_after_seconds) - TOLERANCE
    alive = [process for process in known if process.beat_at >= earliest]
    if not alive:
        silence = utc_now() - max(process.beat_at for process in known)
        raise Unavailable(f"the last heartbeat of a {role} is {silence.total_seconds():.0f} s old")
    if not any(process.ready for process in alive):
        raise Unavailable(f"a {role} is alive, but not ready")
