"""Objects as files in a folder that is for its owner alone."""

import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from blocks.processes.private_files import FILE_MODE, private_folder

_UNFINISHED = re.compile(r"(?P<folder>(?:.*/)?)\.(?P<name>[^/]+)\.[0-9a-f]{16}")


def key_of_unfinished(key: str) -> str | None:
    """The key under which a file was to be found that its writer, killed, left under this one; None
    of every other file.
    """
    found = _UNFINISHED.fullmatch(key)
    return found and found["folder"] + found["name"]


class Folder:
    """A key is a path below it. Several processes may share it."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def write(self, key: str, content: bytes) -> None:
        """The file is complete and on the disk when it gets its name."""
        self._write(key, BytesIO(content))

    def read(self, key: str) -> bytes:
        return self._path(key).read_bytes()

    def upload(self, path: Path, key: str) -> None:
        with path.open("rb") as content:
            self._write(key, content)

    def download(self, key: str, path: Path) -> None:
        with self._path(key).open("rb") as content, _new_file(path) as file:
            shutil.copyfileobj(content, file)

    def keys(self, prefix: str) -> list[str]:
        """With those that a killed writer left unfinished: `key_of_unfinished`."""
        found = self._path(prefix).rglob("*")
        return sorted(
            path.relative_to(self._root.resolve()).as_posix() for path in found if path.is_file()
        )

    def delete(self, key: str) -> None:
        path = self._path(key)
        path.unlink(missing_ok=True)
        if path.parent.exists():
            _flush_folder(path.parent)

    def _write(self, key: str, content: BinaryIO) -> None:
        path = self._path(key)
        private_folder(self._root)
        private_folder(path.parent)
        unfinished = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        try:
            with _new_file(unfinished) as file:
                shutil.copyfileobj(content, file)
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)
        except BaseException:
            with suppress(OSError):
                unfinished.unlink()
            raise
        _flush_folder(path.parent)

    def _path(self, key: str) -> Path:
        path = (self._root / key).resolve()
        if not path.is_relative_to(self._root.resolve()):
            raise ValueError(f"{key} is no key")
        return path


@contextmanager
def _new_file(path: Path) -> Iterator[BinaryIO]:
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, FILE_MODE)
    with os.fdopen(descriptor, "wb") as file:
        yield file


def _flush_folder(folder: Path) -> None:
    """The name is on the disk, too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
