"""The folder where the embedded parts keep their files: one stack at a time."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from blocks.processes.private_files import private_folder, tighten
from blocks.settings import Settings

_OURS = ("*.db", "*.db-wal", "*.db-shm", "stack.lock", "development-key", "logs", "prefect")
"""What the stack keeps there. The folder may hold other things, which stay as they are."""


class DataDirTaken(Exception):
    """Another stack runs on this folder, or it is not writable; the message states which."""


@contextmanager
def data_dir_of_one_stack(settings: Settings) -> Iterator[Path]:
    """The data folder exists and is ours while the context lasts. Raises `DataDirTaken`.

    The lock is the kernel's: it is free again however the process ends.
    """
    folder = Path(settings.data_dir).absolute()
    try:
        private_folder(folder)
        tighten(path for pattern in _OURS for path in folder.glob(pattern))
        lock = (folder / "stack.lock").open("a+")
    except OSError as error:
        problem = error.strerror or str(error)
        raise DataDirTaken(
            f"the data folder {folder} (ORCHESTRATOR_DATA_DIR) cannot be used: {problem}"
        ) from None
    with lock:
        lock.seek(0)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataDirTaken(
                f"a stack already runs on {folder} (process {lock.read().strip()}): "
                "stop it, or choose another folder with ORCHESTRATOR_DATA_DIR=…"
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield folder
