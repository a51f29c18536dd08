"""A range of days as a series of triggers, sent at a steady rate, and resumed after a stop."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from uuid import uuid4

import click
import msgspec
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.jobs import InvalidTrigger
from blocks.jobs import triggers
from blocks.jobs.backfills import Backfill, Piece, plan
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


class PacedBackfill(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be sent, `pause_seconds` apart."""

    backfill: Backfill
    pause_seconds: float


def plan_backfill(
    job_id: str, *, first: str, last: str, chunk: str, rate: str, request_id: str | None
) -> PacedBackfill:
    """Raises `InvalidTrigger` for whatever is not accepted."""
    backfill = plan(
        job_id,
        first=first,
        last=last,
        days=_days(chunk),
        most=TRIGGERS_MAX,
        request_id=request_id or str(uuid4()),
        triggered_by="cli",
    )
    return PacedBackfill(backfill=backfill, pause_seconds=_pause(rate))


class Sent(msgspec.Struct, frozen=True):
    """A trigger that is out; `is_new`: it was not before."""

    execution_id: str
    is_new: bool


Send = Callable[[Piece], Awaitable[Sent]]


async def run_backfill(paced: PacedBackfill, *, dry_run: bool, actor: str) -> None:
    """The broker has confirmed every trigger; in a dry run none is sent. None is sent twice."""
    await carry_out(paced, _to_the_bus(paced.backfill, actor), dry_run=dry_run)


async def carry_out(
    paced: PacedBackfill, sending: AbstractAsyncContextManager[Send], *, dry_run: bool
) -> None:
    """All triggers are sent, at the given rate. Raises `ClickException` with the id under which it
    goes on.
    """
    backfill = paced.backfill
    count = len(backfill.pieces)
    first_day, last_day = backfill.pieces[0][0], backfill.pieces[-1][1]
    how_many = f"{count} trigger{'s' if count > 1 else ''}"
    what = f"{how_many} of {backfill.job.id}, {first_day} to {last_day}"
    if dry_run:
        for number, (first, last) in enumerate(backfill.pieces, start=1):
            say_line(f"{number:>4}  {first} to {last}  {(last - first).days + 1} days")
        say_line(f"{what}; {_duration(paced)}; nothing was sent")
        return
    say_line(f"{what}; {_duration(paced)}")
    say_line(f"if it stops, repeat it with --request-id {backfill.request_id}")
    try:
        async with sending as send:
            await _send_all(paced, send)
    except (Unavailable, NotDone) as error:
        raise click.ClickException(
            f"{error}; go on with --request-id {backfill.request_id}"
        ) from None


async def _send_all(paced: PacedBackfill, send: Send) -> None:
    backfill, out = paced.backfill, console()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=out, disable=not out.is_terminal) as progress:
        bar = progress.add_task(backfill.job.id, total=len(backfill.pieces))
        for number, piece in enumerate(backfill.pieces, start=1):
            sent = await send(piece)
            line = f"{number:>4}  {piece[0]} to {piece[1]}  execution {sent.execution_id}"
            progress.console.print(line if sent.is_new else f"{line}  sent before", highlight=False)
            progress.advance(bar)
            if sent.is_new and number < len(backfill.pieces):
                await asyncio.sleep(paced.pause_seconds)


@asynccontextmanager
async def _to_the_bus(backfill: Backfill, actor: str) -> AsyncIterator[Send]:
    settings = load_settings()
    async with (
        open_store(settings) as store,
        open_bus(settings, "cli") as bus,
        prefects_list(settings) as show,
    ):

        async def send(piece: Piece) -> Sent:
            request = backfill.request(piece)
            is_new = not await triggers.accepted(store, request)
            async with audited(
                store, SYSTEM_TENANT, "jobs backfill", actor, backfill.job.id
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


def _duration(paced: PacedBackfill) -> str:
    seconds = paced.pause_seconds * (len(paced.backfill.pieces) - 1)
    if seconds < 1:
        return "at once"
    return f"over {seconds / 60:.0f} min" if seconds >= 120 else f"over {seconds:.0f} s"
