"""Objects under keys, at a place that a setting names: calls with time limits, errors of ours."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol, TypeVar

from blocks.files.folder import Folder
from blocks.files.objects import Objects
from blocks.observability.redaction import redacted
from blocks.ports import NotFound, Unavailable

log = logging.getLogger(__name__)

T = TypeVar("T")

CALL_SECONDS = 30.0
_THREADS = 4
"""Calls at once. What hangs in the store keeps a thread, and never one of another part."""


class FileMissing(NotFound):
    """There is no object under this key."""


class FilesUnavailable(Unavailable):
    """The store did not do its work, or not in time."""


class Backend(Protocol):
    """Blocking calls. They raise what went wrong; `FileNotFoundError` for what is not there."""

    def write(self, key: str, content: bytes) -> None: ...

    def read(self, key: str) -> bytes: ...

    def upload(self, path: Path, key: str) -> None: ...

    def download(self, key: str, path: Path) -> None: ...

    def keys(self, prefix: str) -> list[str]: ...

    def delete(self, key: str) -> None: ...


class Files:
    """Objects under keys such as `proof-packets/<packet id>/summary.pdf`. Lives as long as its
    process. `content` is what lies there, in the plural, and `setting` what names the place, for
    errors. Each call raises
    `FilesUnavailable`.
    """

    def __init__(
        self, backend: Backend, content: str, *, setting: str = "", seconds: float = CALL_SECONDS
    ) -> None:
        self._backend = backend
        self._place = f"the store of {content}" + (f" ({setting})" if setting else "")
        self._seconds = seconds
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix=content)

    async def write(self, key: str, content: bytes) -> None:
        """The object is stored with this content."""
        await self._store(lambda: self._backend.write(key, content), key)

    async def read(self, key: str) -> bytes:
        """Raises `FileMissing`, too."""
        return await self._call(lambda: self._backend.read(key), key)

    async def upload(self, path: Path, key: str, *, seconds: float) -> None:
        """The object is stored with the content of this file."""
        await self._store(lambda: self._backend.upload(path, key), key, seconds)

    async def download(self, key: str, path: Path, *, seconds: float) -> None:
        """The file has the content of this object. Raises `FileMissing`, too."""
        await self._call(lambda: self._backend.download(key, path), key, seconds)

    async def keys(self, prefix: str) -> list[str]:
        """All that begin with this path, which ends in a slash."""
        return await self._call(lambda: self._backend.keys(prefix), prefix)

    async def delete(self, key: str) -> None:
        """The object is gone, if it was there."""
        await self._call(lambda: self._backend.delete(key), key)

    async def _store(
        self, work: Callable[[], None], key: str, seconds: float | None = None
    ) -> None:
        try:
            await self._call(work, key, seconds)
        except FileMissing:  # some libraries say so of a bucket that is not there
            raise FilesUnavailable(
                f"{self._place} is not there: create its bucket or container"
            ) from None

    async def _call(self, work: Callable[[], T], key: str, seconds: float | None = None) -> T:
        loop, limit = asyncio.get_running_loop(), seconds or self._seconds
        try:
            async with asyncio.timeout(limit):
                return await loop.run_in_executor(self._threads, work)
        except FileNotFoundError:
            raise FileMissing(f"there is no object {key}") from None
        except TimeoutError:
            raise FilesUnavailable(
                f"{self._place} did not answer within {limit:g} seconds"
            ) from None
        except Exception as error:  # each object store's library has errors of its own
            log.warning("object %s: %s: %s", key, type(error).__name__, redacted(str(error)))
            reason = f" ({error.strerror})" if isinstance(error, OSError) and error.strerror else ""
            raise FilesUnavailable(
                f"{self._place} failed with {type(error).__name__}{reason}"
            ) from error


def open_files(url: str, content: str, data_dir: str, *, setting: str) -> Files:
    """The place of this URL, a folder or an object store; nothing is reached before the first call.
    A relative folder lies in `data_dir`.
    """
    if "://" not in url or url.startswith("file://"):
        path = Path(url.removeprefix("file://"))
        return Files(Folder((Path(data_dir) / path).absolute()), content, setting=setting)
    return Files(Objects(url), content, setting=setting)
