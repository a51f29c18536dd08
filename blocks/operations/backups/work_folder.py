"""Where archives are while they are made and verified: a folder for each, with the process that
works there.
"""

import shutil
import time
from contextlib import suppress
from pathlib import Path

from blocks.processes.local_process import has_ended, this_process
from blocks.processes.private_files import private_folder

_OWNER = "owner"
_FORGOTTEN_SECONDS = 7 * 86_400.0
"""A folder whose process cannot be asked about is left behind when it was not touched so long."""


def open_work(root: Path, name: str) -> Path:
    """The folder of this backup, for its owner alone; this process works in it from now on."""
    private_folder(root)
    folder = root / name
    private_folder(folder)
    (folder / _OWNER).write_text(this_process() or "")
    return folder


def close_work(root: Path, name: str) -> None:
    """The folder is gone."""
    shutil.rmtree(root / name, ignore_errors=True)


def archive_in(folder: Path) -> Path:
    return folder / "archive.dump"


def manifest_in(folder: Path) -> Path:
    return folder / "manifest.json"


def downloaded_in(folder: Path) -> Path:
    return folder / "downloaded.dump"


def left_behind(root: Path) -> list[str]:
    """Names of folders in which no process works any more."""
    folders = [path for path in root.iterdir() if path.is_dir()] if root.is_dir() else []
    return sorted(folder.name for folder in folders if _is_left(folder))


def _is_left(folder: Path) -> bool:
    owner = ""
    with suppress(OSError):
        owner = (folder / _OWNER).read_text()
    if owner and has_ended(owner):
        return True
    with suppress(OSError):
        return time.time() - folder.stat().st_mtime > _FORGOTTEN_SECONDS
    return False
