"""An operator's actions on dead letters: one by one, rate-limited, with a line for each."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from time import monotonic

import click
import msgspec
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from blocks.contracts.records.dead_letters import DeadLetterRecord, Who
from blocks.dead_letters import letters
from blocks.dead_letters.letters import Letter, LetterCut, LetterSettled
from blocks.observability.plain_text import plain
from blocks.ports import EventBus, NotFound, RecordStore, Stale, Unroutable
from blocks.services import open_bus, open_store
from blocks.settings import load_settings
from deployments.cli.acts import audited
from deployments.cli.views.dead_letters import Wanted, every_letter, find_letter, owners
from deployments.printing import console, say_json, say_line

Act = Callable[[RecordStore, EventBus, Letter], Awaitable[Letter]]

_REFUSALS = (LetterSettled, LetterCut, Stale, Unroutable, NotFound)


class NotConfirmed(Exception):
    """The operator did not confirm."""


def replaying(actor: str) -> Act:
    async def act(store: RecordStore, bus: EventBus, letter: Letter) -> Letter:
        async with _audited(store, letter, "dead-letters replay", actor) as recorded:
            return await letters.replay(recorded, bus, letter, Who(actor, "cli"))

    return act


def discarding(reason: str, actor: str) -> Act:
    async def act(store: RecordStore, bus: EventBus, letter: Letter) -> Letter:
        async with _audited(store, letter, "dead-letters discard", actor) as recorded:
            return await letters.discard(recorded, letter, reason, Who(actor, "cli"))

    return act


def _audited(
    store: RecordStore, letter: Letter, command: str, actor: str
) -> AbstractAsyncContextManager[RecordStore]:
    return audited(store, letter.record.tenant_id, command, actor, letter.record.id)


async def act_on_many(
    wanted: Wanted, named: Sequence[str], act: Act, *, rate: float | None, sure: bool, as_json: bool
) -> int:
    """Acts on every named or matching letter, `rate` a second; returns how many failed.

    Raises `NotConfirmed`, and `Unavailable`: letters acted on before are done, and are skipped when
    it is repeated.
    """
    settings, out = load_settings(), console()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    failed, pace = 0, _Pace(rate)
    async with open_store(settings) as store, open_bus(settings, "cli") as bus:
        total = len(named) or await _count(store, wanted)
        if not sure and total and not click.confirm(f"{total} dead letters: go on?", err=True):
            raise NotConfirmed("nothing was done")
        with Progress(*columns, console=out, disable=not out.is_terminal or as_json) as progress:
            bar = progress.add_task("dead letters", total=total)
            async for id, letter in _letters(store, wanted, named):
                await pace.keep()
                outcome = await _acted(store, bus, act, id, letter)
                failed += isinstance(outcome, str)
                _show(progress, id, outcome, as_json=as_json)
                progress.advance(bar)
    if not total and not as_json:
        say_line("no dead letters")
    return failed


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
    store: RecordStore, bus: EventBus, act: Act, id: str, letter: Letter | None
) -> DeadLetterRecord | str:
    """The letter afterwards, or why it could not be done."""
    if letter is None:
        return "there is no such dead letter"
    try:
        return (await act(store, bus, letter)).record
    except Stale:
        return "it has changed meanwhile: look again"
    except _REFUSALS as error:
        return str(error)


def _show(progress: Progress, id: str, outcome: DeadLetterRecord | str, *, as_json: bool) -> None:
    if as_json:
        shown = (
            {"id": id, "error": outcome}
            if isinstance(outcome, str)
            else {"id": id, "status": outcome.status}
        )
        say_json(shown)
    else:
        what = outcome if isinstance(outcome, str) else outcome.status
        progress.console.print(plain(f"{id}  {what}"), highlight=False, markup=False, emoji=False)


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
) -> DeadLetterRecord | None:
    """The letter with this event, or with what its editor left; None if that changed nothing.

    Raises `NotFound`, `Rejected`, `AnothersTenant`, `LetterSettled`, `Stale`.
    """
    async with open_store(load_settings()) as store:
        letter = await find_letter(store, tenant_id, id)
        before = letters.content_of(await letters.read_body(store, letter.record))
        after = _edited(before) if event is None else event
        if after is None or after == before:
            return None
        try:
            async with _audited(store, letter, "dead-letters edit", actor) as recorded:
                return (await letters.edit(recorded, letter, after, Who(actor, "cli"))).record
        except Stale:
            raise Stale(f"dead letter {id} has changed meanwhile: look again") from None


def _edited(before: bytes) -> bytes | None:
    try:
        text = msgspec.json.format(before, indent=2).decode()
    except (msgspec.DecodeError, UnicodeDecodeError):
        text = before.decode(errors="replace")
    after = click.edit(text, extension=".json")
    return None if after is None or after == text else after.encode()
