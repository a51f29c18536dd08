"""Read, decide, replace with the ETag of what was read, again after other writes, up to a bound."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from blocks.contracts.records import Record
from blocks.ports import AlreadyExists, RecordStore, Stale, Stored, Unavailable, WrongVersion

T = TypeVar("T")
R = TypeVar("R", bound=Record)

TRIES = 200
"""A hundred callers of one record at once need about as many."""

_PAUSE_SECONDS = 0.002
_PAUSES_MAX = 50


class Contended(Unavailable):
    """Others changed the record each time between the read and the write. The same call may succeed
    later.
    """


async def update(attempt: Callable[[], Awaitable[T]], what: str) -> T:
    """What `attempt` returns; it reads, decides and writes, and is called again when its write was
    `Stale`.

    An `AlreadyExists` counts as a write in between, too. Raises what `attempt` raises besides,
    `WrongVersion` among it, and `Contended` after `TRIES`; `what` names the record in its message.
    """
    for number in range(TRIES):
        try:
            return await attempt()
        except WrongVersion:
            raise
        except (Stale, AlreadyExists):
            await asyncio.sleep(random.uniform(0, _PAUSE_SECONDS * min(number, _PAUSES_MAX)))
    raise Contended(f"{what} changed {TRIES} times meanwhile")


async def update_known(
    store: RecordStore, known: Stored[R], attempt: Callable[[Stored[R]], Awaitable[T]]
) -> T:
    """As `update`, of a record that has been read already: it is read again only after another
    write.
    """
    record, unused = known.record, [known]

    async def once() -> T:
        return await attempt(
            unused.pop() if unused else await store.read(record.tenant_id, type(record), record.id)
        )

    return await update(once, f"{record.__struct_config__.tag} {record.id}")
