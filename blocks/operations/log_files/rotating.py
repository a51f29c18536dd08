"""Rotation: a log with content is renamed, and its writer opens a new one."""

import errno
import logging
import os
import shutil
import signal
from fnmatch import fnmatch
from pathlib import Path

from blocks.clock import utc_now
from blocks.contracts.events import JsonObject
from blocks.operations.log_files.logs import (
    FILES_MAX,
    PART,
    alone_in,
    figures,
    logs_of,
    name_for,
    patterns_of,
)
from blocks.operations.work import Stop
from blocks.settings.operations import LogRotation

log = logging.getLogger(__name__)

_MEGABYTE = 1_000_000


def rotate(settings: LogRotation, stop: Stop) -> JsonObject:
    """Every log of the settings that is large enough has its content in a rotated file, and its
    writers were asked to open a new one.

    Returns `logsRotated`, `bytesRotated`, `truncated`, `writersAsked` and `files`, the first of
    them. Raises `NotConfigured`, and `LogFilesFailed` when the others are done.
    """
    logs, errors = logs_of(settings), dict[Path, OSError]()
    rotated, truncated, copied = list[JsonObject](), 0, patterns_of(settings.copytruncate)
    for path in logs:
        stop()
        try:
            with alone_in(path.parent):
                size = path.stat().st_size
                if size == 0 or size < settings.over_megabytes * _MEGABYTE:
                    continue
                is_copied = any(fnmatch(str(path), pattern) for pattern in copied)
                _copy_and_truncate(path) if is_copied else _rename(path)
            truncated += is_copied
            rotated.append({"file": str(path), "bytes": size})
        except FileNotFoundError:
            continue  # it is gone
        except OSError as error:
            errors[path] = error
    asked = _ask_writers(settings.reopen) if len(rotated) > truncated else 0
    done = {
        "logsRotated": len(rotated),
        "bytesRotated": sum(one["bytes"] for one in rotated),
        "truncated": truncated,
        "writersAsked": asked,
        "files": rotated[:FILES_MAX],
    }
    return figures(done, len(logs), errors)


def _rename(path: Path) -> None:
    """The log has another name, and an empty file of its owner and mode stands in its place."""
    before = path.stat()
    path.rename(name_for(path, utc_now()))
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, before.st_mode & 0o777)
    except FileExistsError:
        return  # its writer was faster
    try:
        os.fchown(descriptor, before.st_uid, before.st_gid)
        os.fchmod(descriptor, before.st_mode & 0o777)
    except PermissionError:
        log.warning("%s has another owner than before: this process may not set it", path)
    finally:
        os.close(descriptor)


def _copy_and_truncate(path: Path) -> None:
    """Lines that are written between the copy and the truncation are lost."""
    target = name_for(path, utc_now())
    part = target.with_name(target.name + PART)
    try:
        shutil.copy2(path, part)
        with part.open("rb") as copied:
            os.fsync(copied.fileno())
        part.rename(target)
    finally:
        part.unlink(missing_ok=True)
    os.truncate(path, 0)


def _ask_writers(listed: str) -> int:
    """Each writer that runs got its signal. One that does not run has nothing open."""
    asked = 0
    for entry in patterns_of(listed):
        name, _, file = entry.partition(":")
        try:
            number = signal.Signals[f"SIG{name.upper().removeprefix('SIG')}"]
            pid = int(Path(file).read_text().strip())
            if pid < 2:
                raise ValueError(f"process {pid} is no writer")
            os.kill(pid, number)
            asked += 1
        except (FileNotFoundError, ProcessLookupError):
            log.info("%s does not run: it is not asked to open its logs again", file)
        except (KeyError, ValueError, IsADirectoryError) as error:
            raise OSError(errno.EINVAL, f"LOG_ROTATION_REOPEN has {entry!r}: {error}") from None
    return asked
