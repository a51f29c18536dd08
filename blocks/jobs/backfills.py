"""A range of days as a series of triggers: the same piece of the same backfill is one request."""

from datetime import date

import msgspec

from blocks.contracts.jobs import (
    JOBS,
    InvalidTrigger,
    Job,
    TriggeredBy,
    checked_metadata,
    chunks,
    job_named,
    range_of_days,
)
from blocks.jobs import triggers
from blocks.jobs.triggers import JobRequest

Piece = tuple[date, date]
"""Its first and its last day."""


class Backfill(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be sent, piece by piece."""

    job: Job
    pieces: list[Piece]
    request_id: str
    triggered_by: TriggeredBy

    def request(self, piece: Piece) -> JobRequest:
        first, last = (day.isoformat() for day in piece)
        key = f"backfill {self.request_id} {first} {last}"
        return triggers.by_hand(self.job, self.triggered_by, key, range_of_days(*piece))


def plan(
    job_id: str,
    *,
    first: str,
    last: str,
    days: int,
    most: int,
    request_id: str,
    triggered_by: TriggeredBy,
) -> Backfill:
    """In pieces of so many whole days, at most so many pieces. Raises `InvalidTrigger`."""
    job = job_named(job_id)
    if not job.takes_range:
        able = ", ".join(job.id for job in JOBS if job.takes_range)
        raise InvalidTrigger("job", f"{job.id} takes no range of days", able)
    checked = checked_metadata(job, {"from": first, "to": last})
    begin, end = (date.fromisoformat(str(checked[name])) for name in ("from", "to"))
    if (end - begin).days // days >= most:
        raise InvalidTrigger(
            "chunk", f"is {days}d", f"what makes at most {most} triggers of this range"
        )
    return Backfill(
        job=job,
        pieces=list(chunks(begin, end, days)),
        request_id=request_id,
        triggered_by=triggered_by,
    )
