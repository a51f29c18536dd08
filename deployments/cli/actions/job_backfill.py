"""A range of days as a series of triggers, sent at a steady rate, and resumed after a stop."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import date
from uuid import uuid4

import click
import msgspec
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.jobs import JOBS, InvalidTrigger, Job, checked_metadata, chunks, job_named
from blocks.jobs import triggers
from blocks.jobs.triggers import JobRequest
from blocks.ports import Unavailable
from blocks.services import open_bus, open_store
from blocks.settings import load_settings
from deployments.cli.actions.jobs import prefects_list
from deployments.cli.acts import audited
from deployments.cli.remote.refusals import NotDone
from deployments.printing import console, say_line

TRIGGERS_MAX = 10_000
"""In one backfill; more than twenty-seven years by the day."""

RATE_UNITS = {"s": 1, "sec": 1, "min": 60, "h": 3600, "hour": 3600, "d": 86400, "day": 86400}


class Backfill(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be sent, `pause_seconds` apart."""

    job: Job
    chunks: list[tuple[date, date]]
    pause_seconds: float
    request_id: str

    def request(self, chunk: tuple[date, date]) -> JobRequest:
        """The same chunk of the same backfill is the same request."""
        first, last = (day.isoformat() for day in chunk)
        metadata = {"from": first, "to": last}
        return triggers.by_hand(
            self.job, "cli", f"backfill {self.request_id} {first} {last}", metadata
        )


def plan_backfill(
    job_id: str, *, first: str, last: str, chunk: str, rate: str, request_id: str | None
) -> Backfill:
    """Raises `InvalidTrigger` for whatever is not accepted."""
    job = job_named(job_id)
    if not job.takes_range:
        able = ", ".join(job.id for job in JOBS if job.takes_range)
        raise InvalidTrigger("job", f"{job.id} takes no range of days", able)
    days = checked_metadata(job, {"from": first, "to": last})
    range_, size = (date.fromisoformat(days["from"]), date.fromisoformat(days["to"])), _days(chunk)
    if (range_[1] - range_[0]).days // size >= TRIGGERS_MAX:
        raise InvalidTrigger(
            "chunk", f"is {chunk!r}", f"what makes at most {TRIGGERS_MAX} triggers of this range"
        )
    pieces = chunks(*range_, size)
    return Backfill(
        job=job,
        chunks=list(pieces),
        pause_seconds=_pause(rate),
        request_id=request_id or str(uuid4()),
    )


class Sent(msgspec.Struct, frozen=True):
    """A trigger that is out; `is_new`: it was not before."""

    execution_id: str
    is_new: bool


Send = Callable[[tuple[date, date]], Awaitable[Sent]]


async def run_backfill(plan: Backfill, *, dry_run: bool, actor: str) -> None:
    """The broker has confirmed every trigger; in a dry run none is sent. None is sent twice."""
    await carry_out(plan, _to_the_bus(plan, actor), dry_run=dry_run)


async def carry_out(
    plan: Backfill, sending: AbstractAsyncContextManager[Send], *, dry_run: bool
) -> None:
    """All triggers of the plan are sent, at its rate. Raises `ClickException` with the id under
    which it goes on.
    """
    count = len(plan.chunks)
    what = (
        f"{count} trigger{'s' if count > 1 else ''} of {plan.job.id}, {plan.chunks[0][0]} to "
        f"{plan.chunks[-1][1]}"
    )
    if dry_run:
        for number, (first, last) in enumerate(plan.chunks, start=1):
            say_line(f"{number:>4}  {first} to {last}  {(last - first).days + 1} days")
        say_line(f"{what}; {_duration(plan)}; nothing was sent")
        return
    say_line(f"{what}; {_duration(plan)}")
    say_line(f"if it stops, repeat it with --request-id {plan.request_id}")
    try:
        async with sending as send:
            await _send_all(plan, send)
    except (Unavailable, NotDone) as error:
        raise click.ClickException(f"{error}; go on with --request-id {plan.request_id}") from None


async def _send_all(plan: Backfill, send: Send) -> None:
    out = console()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=out, disable=not out.is_terminal) as progress:
        bar = progress.add_task(plan.job.id, total=len(plan.chunks))
        for number, chunk in enumerate(plan.chunks, start=1):
            sent = await send(chunk)
            line = f"{number:>4}  {chunk[0]} to {chunk[1]}  execution {sent.execution_id}"
            progress.console.print(line if sent.is_new else f"{line}  sent before", highlight=False)
            progress.advance(bar)
            if sent.is_new and number < len(plan.chunks):
                await asyncio.sleep(plan.pause_seconds)


@asynccontextmanager
async def _to_the_bus(plan: Backfill, actor: str) -> AsyncIterator[Send]:
    settings = load_settings()
    async with (
        open_store(settings) as store,
        open_bus(settings, "cli") as bus,
        prefects_list(settings) as show,
    ):

        async def send(chunk: tuple[date, date]) -> Sent:
            request = plan.request(chunk)
            is_new = not await triggers.accepted(store, request)
            async with audited(
                store, SYSTEM_TENANT, "jobs backfill", actor, plan.job.id
            ) as recorded:
                execution = await triggers.trigger(recorded, bus, request)
            await show(execution)
            return Sent(execution.id, is_new)

        yield send


def _days(chunk: str) -> int:
    match = re.fullmatch(r"(\d{1,5})\s*(d|days?)?", chunk.strip(), re.ASCII)
    if not match or int(match[1]) < 1:
        raise InvalidTrigger("chunk", f"is {chunk!r}", "whole days, at least one, e.g. 7d")
    return int(match[1])


def _pause(rate: str) -> float:
    if rate == "none":
        return 0.0
    match = re.fullmatch(r"(\d{1,6})/([a-z]+)", rate.strip(), re.ASCII)
    if not match or int(match[1]) < 1 or match[2] not in RATE_UNITS:
        raise InvalidTrigger(
            "rate", f"is {rate!r}", "triggers per time, e.g. 1/min, 10/h, 2/s; or none for no limit"
        )
    return RATE_UNITS[match[2]] / int(match[1])


def _duration(plan: Backfill) -> str:
    seconds = plan.pause_seconds * (len(plan.chunks) - 1)
    if seconds < 1:
        return "at once"
    return f"over {seconds / 60:.0f} min" if seconds >= 120 else f"over {seconds:.0f} s"
