"""Record stores that do not work, or work unevenly."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from blocks.adapters.forwarding import ForwardingRecordStore
from blocks.contracts.records import Record
from blocks.ports import Page, Stored

T = TypeVar("T")


class FailingStore:
    """Raises the given error whatever is asked of it."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def provision(self) -> None:
        raise self._error

    async def create(self, *_: Any) -> Stored[Any]:
        raise self._error

    async def create_all(self, *_: Any) -> list[Stored[Any] | None]:
        raise self._error

    async def read(self, *_: Any) -> Stored[Any]:
        raise self._error

    async def replace(self, *_: Any) -> Stored[Any]:
        raise self._error

    async def replace_all(self, *_: Any) -> list[Stored[Any] | None]:
        raise self._error

    async def delete(self, *_: Any, **__: Any) -> None:
        raise self._error

    async def query(self, *_: Any, **__: Any) -> Page[Any]:
        raise self._error

    async def count(self, *_: Any) -> int:
        raise self._error

    async def older_tenants(self, *_: Any) -> list[str]:
        raise self._error

    async def older_documents(self, *_: Any) -> list[dict[str, Any]]:
        raise self._error

    async def ping(self) -> None:
        raise self._error


class Uneven(ForwardingRecordStore):
    """Some calls take longer than others: what was begun first is not written first."""

    async def _ask(
        self, operation: str, kind: type[Record] | None, request: Callable[[], Awaitable[T]]
    ) -> T:
        await asyncio.sleep(random.choice((0, 0, 0, 0.1)))
        return await request()
