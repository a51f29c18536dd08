"""Objects in a store that fsspec knows: `s3://bucket/prefix`, `abfs://container/prefix`, ….

Credentials come from where the store's own library looks for them (environment, instance identity,
for instance `AZURE_STORAGE_CONNECTION_STRING`); none stands in the URL. Bucket or container must
exist.
"""

from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any


class Objects:
    """A key follows the URL's path. The library is loaded, and the store reached, at first use."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = Lock()
        self._opened: tuple[Any, str] | None = None

    def write(self, key: str, content: bytes) -> None:
        """One request, or an upload in parts that becomes visible at its end."""
        files, path = self._at(key)
        files.pipe_file(path, content)

    def read(self, key: str) -> bytes:
        files, path = self._at(key)
        content: bytes = files.cat_file(path)
        return content

    def upload(self, path: Path, key: str) -> None:
        """In parts, visible at its end."""
        files, there = self._at(key)
        files.put_file(str(path), there)

    def download(self, key: str, path: Path) -> None:
        files, there = self._at(key)
        files.get_file(there, str(path))

    def keys(self, prefix: str) -> list[str]:
        files, there = self._at(prefix)
        root = there.removesuffix(prefix)
        with suppress(FileNotFoundError):
            return sorted(path.removeprefix(root) for path in files.find(there.rstrip("/")))
        return []

    def delete(self, key: str) -> None:
        files, path = self._at(key)
        with suppress(FileNotFoundError):
            files.rm_file(path)

    def _at(self, key: str) -> tuple[Any, str]:
        with self._lock:
            self._opened = self._opened or _open(self._url)
        files, root = self._opened
        return files, f"{root.rstrip('/')}/{key}"


def _open(url: str) -> tuple[Any, str]:
    import fsspec  # with the library of the URL's store it takes a while

    files, root = fsspec.core.url_to_fs(url, use_listings_cache=False)
    return files, str(root)
