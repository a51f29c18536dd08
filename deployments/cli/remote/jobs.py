"""Batch jobs over HTTP."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from api.jobs.documents import BatchJob, JobList, JobTriggered
from blocks.contracts.jobs import checked_metadata, job_named
from blocks.jobs.backfills import Backfill, Piece
from deployments.cli.actions.job_backfill import PacedBackfill, Send, Sent, carry_out
from deployments.cli.over_http import Access
from deployments.cli.remote.client import Client, client, path_of


async def query_jobs(access: Access) -> list[BatchJob]:
    async with client(access, None) as api:
        return [one async for one in api.pages(path_of("jobs"), JobList, None)]


async def trigger_one(
    access: Access, job_id: str, metadata: Mapping[str, object], request_id: str | None, actor: str
) -> JobTriggered:
    wanted = checked_metadata(job_named(job_id), metadata)
    async with client(access, None, actor) as api:
        key = f"cli {request_id}" if request_id else None
        triggered, _ = await _trigger(api, job_id, wanted, key)
    return triggered


async def run_backfill(access: Access, paced: PacedBackfill, *, dry_run: bool, actor: str) -> None:
    sending = _through_the_api(access, paced.backfill, actor)
    await carry_out(paced, sending, dry_run=dry_run)


@asynccontextmanager
async def _through_the_api(access: Access, backfill: Backfill, actor: str) -> AsyncIterator[Send]:
    async with client(access, None, actor) as api:

        async def send(piece: Piece) -> Sent:
            first, last = (day.isoformat() for day in piece)
            key = f"backfill {backfill.request_id} {first} {last}"
            metadata = {"from": first, "to": last}
            triggered, is_new = await _trigger(api, backfill.job.id, metadata, key)
            return Sent(triggered.execution_id, is_new)

        yield send


async def _trigger(
    api: Client, job_id: str, metadata: Mapping[str, object], key: str | None
) -> tuple[JobTriggered, bool]:
    """The trigger, and whether this request made it."""
    path = path_of("jobs", job_id, "trigger")
    return await api.post_once(path, JobTriggered, {"metadata": metadata}, key=key)
