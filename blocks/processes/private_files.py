"""Files and folders for their owner alone: records, events, keys, logs, Prefect's database.

What exists is tightened, what is made is made so. Only what belongs to this user is changed, and
never a shared folder (with the sticky bit, such as /tmp).
"""

import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

FOLDER_MODE, FILE_MODE = 0o700, 0o600


def private_folder(folder: Path) -> None:
    """The folder exists and no other user can read it. Raises `OSError`."""
    folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    _tighten(folder, FOLDER_MODE)


def private_file(path: Path) -> None:
    """The file exists and no other user can read it. Raises `OSError`."""
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, FILE_MODE))
    if path.is_file():
        _tighten(path, FILE_MODE)


def tighten(paths: Iterable[Path]) -> None:
    """Those of these that exist, and all below them, are accessible to their owner alone."""
    for path in paths:
        if path.is_symlink() or not path.exists():
            continue
        _tighten(path, FOLDER_MODE if path.is_dir() else FILE_MODE)
        if path.is_dir():
            tighten(path.iterdir())


def _tighten(path: Path, mode: int) -> None:
    with suppress(FileNotFoundError):  # SQLite removes its log when the last reader has gone
        found = path.stat()
        if found.st_uid != os.geteuid() or found.st_mode & stat.S_ISVTX:
            return
        if found.st_mode & 0o077:
            path.chmod(found.st_mode & mode)
