"""Deletion of rotated files, by age and by what all of one log take."""

from datetime import timedelta
from pathlib import Path

from blocks.clock import utc_now
from blocks.contracts.events import JsonObject
from blocks.operations.log_files.logs import (
    FILES_MAX,
    Rotated,
    alone_in,
    figures,
    left_behind,
    rotated_of,
)
from blocks.operations.work import Stop
from blocks.settings.operations import LogRotation

_MEGABYTE = 1_000_000


def delete_old(settings: LogRotation, stop: Stop) -> JsonObject:
    """Rotated files older than the limit are gone, and of each log the oldest beyond its size.

    Returns `filesDeleted`, `bytesDeleted` and `files`, the first of them. Raises `NotConfigured`,
    and `LogFilesFailed` when the others are done.
    """
    errors, deleted = dict[Path, OSError](), list[JsonObject]()
    doomed = [
        *(one.path for files in rotated_of(settings).values() for one in _too_old(files, settings)),
        *left_behind(settings),
    ]
    for path in doomed:
        stop()
        try:
            with alone_in(path.parent):
                size = path.stat().st_size
                path.unlink()
            deleted.append({"file": str(path), "bytes": size})
        except FileNotFoundError:
            continue  # another process of ours was faster
        except OSError as error:
            errors[path] = error
    done = {
        "filesDeleted": len(deleted),
        "bytesDeleted": sum(one["bytes"] for one in deleted),
        "files": deleted[:FILES_MAX],
    }
    return figures(done, len(doomed), errors)


def _too_old(files: list[Rotated], settings: LogRotation) -> list[Rotated]:
    """Of one log's, oldest first."""
    oldest = utc_now() - timedelta(days=settings.kept_days)
    room = settings.kept_megabytes * _MEGABYTE or float("inf")
    doomed = []
    for one in reversed(files):
        room -= one.path.stat().st_size
        if room < 0 or one.at < oldest:
            doomed.append(one)
    return doomed[::-1]
