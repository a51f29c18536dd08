"""A record store some of whose calls take longer than others."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from blocks.adapters.forwarding import ForwardingRecordStore
from blocks.contracts.records import Record

T = TypeVar("T")


class Uneven(ForwardingRecordStore):
    """What was begun first is not written first."""

    async def _ask(
        self, operation: str, kind: type[Record] | None, request: Callable[[], Awaitable[T]]
    ) -> T:
        await asyncio.sleep(random.choice((0, 0, 0, 0.1)))
        return await request()
