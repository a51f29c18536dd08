"""A record store that does not work."""

from typing import Any

from blocks.ports import Page, Stored


class FailingStore:
    """Raises the given error whatever is asked of it."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def provision(self) -> None:
        raise self._error

    async def create(self, *_: Any) -> Stored[Any]:
        raise self._error

    async def read(self, *_: Any) -> Stored[Any]:
        raise self._error

    async def replace(self, *_: Any) -> Stored[Any]:
        raise self._error

    async def delete(self, *_: Any) -> None:
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
