"""Reads server-sent events as a browser does:
https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

import json
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any

import msgspec


class Sent(msgspec.Struct, frozen=True):
    """One message; a browser hands on those with data, and remembers the id of every one."""

    event: str = "message"
    id: str | None = None
    data: Any = None
    comment: str | None = None
    retry: int | None = None


def messages_in(text: str) -> list[Sent]:
    return list(_messages(text.splitlines()))


async def messages_of(lines: AsyncIterator[str]) -> AsyncIterator[Sent]:
    block: list[str] = []
    async for line in lines:
        block.append(line)
        if not line:
            for message in _messages(block):
                yield message
            block = []


def _messages(lines: Iterable[str]) -> Iterator[Sent]:
    fields: dict[str, str] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            fields[name] = (
                f"{fields[name]}\n{value}" if name == "data" and name in fields else value
            )
        elif fields:
            yield Sent(
                event=fields.get("event", "message"),
                id=fields.get("id"),
                data=json.loads(fields["data"]) if "data" in fields else None,
                comment=fields.get(""),
                retry=int(fields["retry"]) if "retry" in fields else None,
            )
            fields = {}
