"""Dead letters for a person at a terminal: a table of many, a page of one. Operators see those of
all tenants.
"""

import asyncio
import re
import sys
from base64 import b64decode
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Self

import click
import msgspec
from rich.text import Text

from api.dead_letters.documents import DeadLetter, DeadLetterSummary, document_of, summary_of
from blocks.clock import utc_now
from blocks.contracts import ids
from blocks.contracts.records.dead_letters import DeadLetterRecord, LetterEntry
from blocks.dead_letters import letters
from blocks.dead_letters.filters import LetterFilter
from blocks.dead_letters.letters import Letter
from blocks.ports import NotFound, Query, RecordStore
from blocks.queries import every, tenants
from blocks.services import open_store
from blocks.settings import load_settings
from deployments.printing import (
    Cell,
    PlainTable,
    console,
    facts_of,
    say_json,
    say_line,
    say_lines,
    styled,
    table_of,
    text_of_lines,
)

COLOURS = {"waiting": "magenta", "replaying": "cyan", "replayed": "green", "discarded": "dim"}

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_AT_ONCE = 20


class BadAge(Exception):
    """Not a time like 2h."""


class Wanted(msgspec.Struct, frozen=True):
    """A selection of letters: the tenant (None: all), and the filters."""

    tenant_id: str | None
    filter: LetterFilter

    @classmethod
    def of(cls, tenant_id: str | None, **named: Any) -> Self:
        return cls(tenant_id, LetterFilter(**named))


def refused_before(older_than: str | None) -> datetime | None:
    """The moment so long ago. Raises `BadAge`."""
    if older_than is None:
        return None
    match = re.fullmatch(r"(\d{1,6})([smhd])", older_than.strip(), re.ASCII)
    if match is None:
        raise BadAge(f"{older_than!r} is not a time like 90s, 15m, 2h or 3d.")
    try:
        return utc_now() - timedelta(seconds=int(match[1]) * _UNITS[match[2]])
    except OverflowError:
        raise BadAge(f"{older_than!r} is longer ago than there are dates.") from None


async def owners(store: RecordStore, tenant_id: str | None) -> list[str]:
    """That tenant, or all that can have letters, the platform first."""
    return (
        [tenant_id]
        if tenant_id
        else list(dict.fromkeys([ids.SYSTEM_TENANT, *await tenants(store)]))
    )


async def every_letter(store: RecordStore, wanted: Wanted) -> AsyncIterator[Letter]:
    """Tenant by tenant, oldest first."""
    for tenant_id in await owners(store, wanted.tenant_id):
        async for stored in every(store, tenant_id, DeadLetterRecord, wanted.filter.where()):
            yield stored


async def query_letters(wanted: Wanted, limit: int) -> list[DeadLetterSummary]:
    """The newest of all that are meant."""
    found: list[DeadLetterRecord] = []
    async with open_store(load_settings()) as store:
        everybody = await owners(store, wanted.tenant_id)
        for first in range(0, len(everybody), _AT_ONCE):
            pages = (
                store.query(tenant_id, Query(DeadLetterRecord, wanted.filter.where(), limit=limit))
                for tenant_id in everybody[first : first + _AT_ONCE]
            )
            found += [
                stored.record for page in await asyncio.gather(*pages) for stored in page.items
            ]
            found = sorted(found, key=lambda letter: letter.created_at, reverse=True)[:limit]
    return [summary_of(letter) for letter in found]


async def read_letter(tenant_id: str | None, id: str) -> DeadLetter:
    """Raises `NotFound` with a readable message."""
    async with open_store(load_settings()) as store:
        letter = (await find_letter(store, tenant_id, id)).record
        return document_of(letter, await letters.read_body(store, letter))


async def find_letter(store: RecordStore, tenant_id: str | None, id: str) -> Letter:
    """Raises `NotFound` with a readable message."""
    for owner in await owners(store, tenant_id):
        try:
            return await letters.read(store, owner, id)
        except NotFound:
            continue
    raise NotFound(f"{f'tenant {tenant_id} has' if tenant_id else 'there is'} no dead letter {id}")


def print_letters(found: Sequence[DeadLetterSummary], *, as_json: bool) -> None:
    if as_json:
        for letter in found:
            say_json(letter)
        return
    if not found:
        say_line("no dead letters")
        return
    table = table_of(
        "ID", "REFUSED", "TIMES", "CODE", "TYPE", "STATUS", "REASON", wraps=("TYPE", "REASON")
    )
    for letter in found:
        table.add_row(
            letter.id,
            _moment(letter.rejected_at),
            str(letter.times),
            letter.code,
            letter.type,
            _coloured(letter.status),
            letter.reason,
        )
    console().print(table)


def print_letter(letter: DeadLetter, *, body_only: bool, as_json: bool) -> None:
    content = content_of(letter)
    if body_only:
        _print_bytes(content)
        return
    if as_json:
        say_json(letter, indent=2)
        return
    out = console()
    out.print(_facts(letter))
    out.print()
    for entry in letter.history:
        say_line(_in_words(entry))
    out.print()
    say_lines(content.decode(errors="replace"))


def content_of(letter: DeadLetter) -> bytes:
    """The body, byte by byte."""
    return b64decode(letter.body) if letter.body_encoding == "base64" else letter.body.encode()


def _print_bytes(content: bytes) -> None:
    """Byte by byte into a file or pipe; a terminal would obey what is in them."""
    if sys.stdout.isatty():
        say_lines(content.decode(errors="replace"))
    else:
        click.echo(content, nl=False)


def _facts(letter: DeadLetter) -> PlainTable:
    size = f"{letter.size:,} bytes" + ("" if letter.is_whole else "; only the beginning was kept")
    headers = text_of_lines(f"{name}: {value}" for name, value in sorted(letter.headers.items()))
    facts: dict[str, Cell] = {
        "dead letter": letter.id,
        "tenant": "none: the platform's"
        if letter.tenant_id == ids.SYSTEM_TENANT
        else letter.tenant_id,
        "status": _coloured(letter.status),
        "code": letter.code,
        "reason": letter.reason,
        "refused": (
            f"{letter.times} times, last {_moment(letter.rejected_at)}, after {letter.attempts} "
            "attempts"
        ),
        "queue": letter.queue,
        "type": letter.type,
        "routing key": letter.routing_key,
        "message": letter.message_id,
        "published": _moment(letter.published_at),
        "headers": headers,
        "size": size,
        "replay": _moment(letter.replay_at) if letter.replay_at else None,
    }
    return facts_of(facts)


def _in_words(entry: LetterEntry) -> str:
    by = f" by {entry.actor or 'unknown'} ({entry.channel})" if entry.channel else ""
    return f"{_moment(entry.at)}  {entry.what}{by}{f': {entry.note}' if entry.note else ''}"


def _coloured(status: str) -> Text:
    return styled(status, COLOURS[status])


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}Z"
