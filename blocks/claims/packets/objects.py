"""Objects in a store that fsspec knows: `s3://bucket/prefix`, `abfs://container/prefix`, ….

Credentials come from where the store's own library looks for them (environment, instance identity,
for instance `AZURE_STORAGE_CONNECTION_STRING`); none stands in the URL. Bucket or container must
exist.
"""

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

    def _at(self, key: str) -> tuple[Any, str]:
        with self._lock:
            self._opened = self._opened or _open(self._url)
        files, root = self._opened
        return files, f"{root.rstrip('/')}/{key}"


def _open(url: str) -> tuple[Any, str]:
    import fsspec  # with the library of the URL's store it takes a while

    files, root = fsspec.core.url_to_fs(url, use_listings_cache=False)
    return files, str(root)
