"""Ticks of a schedule that came due before a run of theirs began."""

from datetime import timedelta

from blocks.clock import utc_now
from flows.shared.tick import Tick
from tests.support.factories import new_id


def due_ticks(count: int, *, apart: timedelta) -> list[Tick]:
    """The first is due now, each other one so much earlier; no newer one is known."""
    now = utc_now()
    return [
        Tick(
            flow_run_id=new_id(),
            at=now - apart * number,
            begun_at=now,
            newer=None,
            is_scheduled=True,
            schedule=None,
            days=None,
        )
        for number in range(count)
    ]
