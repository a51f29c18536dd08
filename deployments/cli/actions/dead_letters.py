"""An operator's actions on dead letters: one by one, rate-limited, with a line for each."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from time import monotonic
from typing import Literal

import click
import msgspec
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from blocks.contracts.records.dead_letters import DeadLetterRecord, LetterStatus, Who
from blocks.dead_letters import letters
from blocks.dead_letters.letters import Letter, LetterCut, LetterSettled
from blocks.observability.plain_text import plain
from blocks.ports import EventBus, NotFound, RecordStore, Stale, Unroutable
from blocks.services import open_bus, open_store
from blocks.settings import load_settings
from deployments.cli.acts import audited
from deployments.cli.views.dead_letters import Wanted, every_letter, find_letter, owners
from deployments.printing import console, say_json, say_line

_REFUSALS = (LetterSettled, LetterCut, Stale, Unroutable, NotFound)


class NotConfirmed(Exception):
    """The operator did not confirm."""


class Action(msgspec.Struct, frozen=True):
    """What is to be done with each letter; a discard has a reason."""

    name: Literal["replay", "discard"]
    actor: str
    reason: str = ""


class Outcome(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of one letter: its status, or why nothing was done."""

    id: str
    status: LetterStatus | None = None
    error: str | None = None


class Work(msgspec.Struct, frozen=True):
    """So many letters, and what becomes of each: it is acted on when it is taken."""

    total: int
    outcomes: AsyncIterator[Awaitable[Outcome]]


async def act_on_many(
    wanted: Wanted,
    named: Sequence[str],
    action: Action,
    *,
    rate: float | None,
    sure: bool,
    as_json: bool,
) -> int:
    """Acts on every named or matching letter, `rate` a second; returns how many failed.

    Raises `NotConfirmed`, and `Unavailable`: letters acted on before are done, and are skipped when
    it is repeated.
    """
    return await do_all(_in_the_store(wanted, named, action), rate=rate, sure=sure, as_json=as_json)


async def do_all(
    working: AbstractAsyncContextManager[Work], *, rate: float | None, sure: bool, as_json: bool
) -> int:
    """All of it is done, once it is confirmed; returns how many failed."""
    out = console()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    failed, pace = 0, _Pace(rate)
    async with working as work:
        total = work.total
        if not sure and total and not click.confirm(f"{total} dead letters: go on?", err=True):
            raise NotConfirmed("nothing was done")
        with Progress(*columns, console=out, disable=not out.is_terminal or as_json) as progress:
            bar = progress.add_task("dead letters", total=total)
            async for pending in work.outcomes:
                await pace.keep()
                outcome = await pending
                failed += outcome.status is None
                _show(progress, outcome, as_json=as_json)
                progress.advance(bar)
    if not total and not as_json:
        say_line("no dead letters")
    return failed


@asynccontextmanager
async def _in_the_store(
    wanted: Wanted, named: Sequence[str], action: Action
) -> AsyncIterator[Work]:
    settings = load_settings()
    async with open_store(settings) as store, open_bus(settings, "cli") as bus:

        async def outcomes() -> AsyncIterator[Awaitable[Outcome]]:
            async for id, letter in _letters(store, wanted, named):
                yield _acted(store, bus, action, id, letter)

        yield Work(len(named) or await _count(store, wanted), outcomes())


async def _count(store: RecordStore, wanted: Wanted) -> int:
    where = wanted.filter.where()
    return sum(
        [
            await store.count(one, DeadLetterRecord, where)
            for one in await owners(store, wanted.tenant_id)
        ]
    )


async def _letters(
    store: RecordStore, wanted: Wanted, named: Sequence[str]
) -> AsyncIterator[tuple[str, Letter | None]]:
    """Ids and letters; None for an unknown id."""
    for id in named:
        try:
            yield id, await find_letter(store, wanted.tenant_id, id)
        except NotFound:
            yield id, None
    if not named:
        async for letter in every_letter(store, wanted):
            yield letter.record.id, letter


async def _acted(
    store: RecordStore, bus: EventBus, action: Action, id: str, letter: Letter | None
) -> Outcome:
    if letter is None:
        return Outcome(id, error="there is no such dead letter")
    try:
        return Outcome(id, (await _act(store, bus, action, letter)).record.status)
    except Stale:
        return Outcome(id, error="it has changed meanwhile: look again")
    except _REFUSALS as error:
        return Outcome(id, error=str(error))


async def _act(store: RecordStore, bus: EventBus, action: Action, letter: Letter) -> Letter:
    who = Who(action.actor, "cli")
    command = f"dead-letters {action.name}"
    async with _audited(store, letter, command, action.actor) as recorded:
        if action.name == "replay":
            return await letters.replay(recorded, bus, letter, who)
        return await letters.discard(recorded, letter, action.reason, who)


def _audited(
    store: RecordStore, letter: Letter, command: str, actor: str
) -> AbstractAsyncContextManager[RecordStore]:
    return audited(store, letter.record.tenant_id, command, actor, letter.record.id)


def _show(progress: Progress, outcome: Outcome, *, as_json: bool) -> None:
    if as_json:
        say_json(outcome)
    else:
        line = plain(f"{outcome.id}  {outcome.error or outcome.status}")
        progress.console.print(line, highlight=False, markup=False, emoji=False)


class _Pace:
    """Lets its caller go on so often a second; a slow caller is not hurried afterwards."""

    def __init__(self, rate: float | None) -> None:
        self._pause_seconds = 1 / rate if rate else 0.0
        self._next = monotonic()

    async def keep(self) -> None:
        await asyncio.sleep(max(0.0, self._next - monotonic()))
        self._next = max(self._next, monotonic() - self._pause_seconds) + self._pause_seconds


async def edit_letter(
    tenant_id: str | None, id: str, event: bytes | None, actor: str
) -> str | None:
    """The letter's id, if it has this event now, or what its editor left; None if that changed
    nothing.

    Raises `NotFound`, `Rejected`, `AnothersTenant`, `LetterSettled`, `Stale`.
    """
    async with open_store(load_settings()) as store:
        letter = await find_letter(store, tenant_id, id)
        before = letters.content_of(await letters.read_body(store, letter.record))
        after = edited(before) if event is None else event
        if after is None or after == before:
            return None
        try:
            async with _audited(store, letter, "dead-letters edit", actor) as recorded:
                done = await letters.edit(recorded, letter, after, Who(actor, "cli"))
                return done.record.id
        except Stale:
            raise Stale(f"dead letter {id} has changed meanwhile: look again") from None


def edited(before: bytes) -> bytes | None:
    """What the user's editor left of it; None: it was left as it was."""
    try:
        text = msgspec.json.format(before, indent=2).decode()
    except (msgspec.DecodeError, UnicodeDecodeError):
        text = before.decode(errors="replace")
    after = click.edit(text, extension=".json")
    return None if after is None or after == text else after.encode()
