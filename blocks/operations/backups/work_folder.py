"""Where archives are while they are made and verified: a folder for each.

Who works in one holds its lock, which the system lets go when the process ends; one whose lock is
free may be deleted. An archive that waits in it for the next step is then made again.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from blocks.operations.backups.errors import BackupFailed, failed
from blocks.processes.private_files import FILE_MODE, private_folder

_LOCK = "lock"


@contextmanager
def work_folder(root: Path, name: str, doing: str) -> Iterator[Path]:
    """The folder of this name, for its owner alone, and for this process while the block lasts.

    Raises `BackupFailed`, also for an error of the file system within the block.
    """
    try:
        lock = _opened(root, name)
        try:
            yield root / name
        finally:
            os.close(lock)
    except BlockingIOError:
        raise BackupFailed(f"{doing} is under way in another process: wait for its end") from None
    except OSError as error:
        raise failed(doing, f"{error.filename or root}: {error.strerror or error}") from error


def close_work(folder: Path) -> None:
    """All in it is gone; to be called by who holds it."""
    shutil.rmtree(folder, ignore_errors=True)


def clean_work(root: Path, database: str, keep: str | None = None) -> None:
    """The folders of this database's backups are gone in which no process works, but for `keep`.
    What cannot be deleted stays for the next time.
    """
    if not root.is_dir():
        return
    with suppress(OSError), _lock_of(root):
        for folder in root.glob(f"{database}-????????_??????*"):
            with suppress(BlockingIOError), _lock_of(folder, wait=False):
                if folder.name != keep:
                    close_work(folder)


def archive_in(folder: Path) -> Path:
    return folder / "archive.dump"


def manifest_in(folder: Path) -> Path:
    return folder / "manifest.json"


def downloaded_in(folder: Path) -> Path:
    return folder / "downloaded.dump"


def _opened(root: Path, name: str) -> int:
    private_folder(root)
    with _lock_of(root):  # so that it is not deleted between its creation and its lock
        private_folder(root / name)
        return _locked(root / name, wait=False)


@contextmanager
def _lock_of(folder: Path, *, wait: bool = True) -> Iterator[None]:
    lock = _locked(folder, wait=wait)
    try:
        yield
    finally:
        os.close(lock)


def _locked(folder: Path, *, wait: bool) -> int:
    """Raises `BlockingIOError` when another process has it."""
    lock = os.open(folder / _LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, FILE_MODE)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BaseException:
        os.close(lock)
        raise
    return lock
