"""Objects as files in a folder that is for its owner alone."""

import os
import secrets
from contextlib import suppress
from pathlib import Path

from blocks.processes.private_files import FILE_MODE, private_folder


class Folder:
    """A key is a path below it. Several processes may share it."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def write(self, key: str, content: bytes) -> None:
        """The file is complete and on the disk when it gets its name."""
        path = self._path(key)
        private_folder(self._root)
        private_folder(path.parent)
        unfinished = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        try:
            _write_to_disk(unfinished, content)
            unfinished.replace(path)
        except BaseException:
            with suppress(OSError):
                unfinished.unlink()
            raise
        _flush_folder(path.parent)

    def read(self, key: str) -> bytes:
        return self._path(key).read_bytes()

    def _path(self, key: str) -> Path:
        path = (self._root / key).resolve()
        if not path.is_relative_to(self._root.resolve()):
            raise ValueError(f"{key} is no key")
        return path


def _write_to_disk(path: Path, content: bytes) -> None:
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, FILE_MODE), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    """The name is on the disk, too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
