"""Where proof packets lie: a folder, or an object store that fsspec opens by its URL.

A reader sees an object whole or not at all: object stores write so themselves, in a folder a file
gets its name when it is complete. Writes replace what was there.
"""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol, TypeVar

from blocks.claims.packets.folder import Folder
from blocks.claims.packets.objects import Objects
from blocks.ports import NotFound, Unavailable
from blocks.settings import Settings
from blocks.settings.sections import masked_url

log = logging.getLogger(__name__)

T = TypeVar("T")

CALL_SECONDS = 30.0
_THREADS = 4
"""Calls at once. What hangs in the store keeps a thread, and never one of another part."""


class FileMissing(NotFound):
    """There is no object under this key."""


class FilesUnavailable(Unavailable):
    """The store of packets did not do its work, or not in time."""


class Backend(Protocol):
    """Blocking calls. `read` raises `FileNotFoundError`; all that goes wrong is raised."""

    def write(self, key: str, content: bytes) -> None: ...

    def read(self, key: str) -> bytes: ...


class PacketFiles:
    """Objects under keys such as `proof-packets/<packet id>/summary.pdf`. Lives as long as its
    process.
    """

    def __init__(self, backend: Backend, *, seconds: float = CALL_SECONDS) -> None:
        self._backend = backend
        self._seconds = seconds
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="packets")

    async def write(self, key: str, content: bytes) -> None:
        """The object is stored with this content. Raises `FilesUnavailable`."""
        await self._call(lambda: self._backend.write(key, content), key)

    async def read(self, key: str) -> bytes:
        """Raises `FileMissing`, `FilesUnavailable`."""
        return await self._call(lambda: self._backend.read(key), key)

    async def _call(self, work: Callable[[], T], key: str) -> T:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._seconds):
                return await loop.run_in_executor(self._threads, work)
        except FileNotFoundError:
            raise FileMissing(f"there is no object {key}") from None
        except TimeoutError:
            raise FilesUnavailable(
                f"the store of packets did not answer within {self._seconds:g} seconds"
            ) from None
        except Exception as error:  # each object store's library has errors of its own
            log.warning("object %s: %s: %s", key, type(error).__name__, masked_url(str(error)))
            raise FilesUnavailable(
                f"the store of packets failed with {type(error).__name__}"
            ) from error


def open_files(settings: Settings) -> PacketFiles:
    """The place that `claims.packets_url` names; nothing is reached before the first call."""
    url = settings.claims.packets_url
    if "://" not in url or url.startswith("file://"):
        path = Path(url.removeprefix("file://"))
        return PacketFiles(Folder((Path(settings.data_dir) / path).absolute()))
    return PacketFiles(Objects(url))
