"""Which files are logs, which were rotated, and one rotation of a folder at a time."""

import fcntl
import os
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from errno import ETIMEDOUT
from glob import glob
from pathlib import Path
from time import monotonic, sleep, time

import msgspec

from blocks.contracts.events import JsonObject
from blocks.operations.work import NotConfigured
from blocks.settings.operations import LogRotation

COMPRESSED = ".gz"
PART = ".part"
"""Behind the name of a file that is being written by us."""

FILES_MAX = 200
"""So many are named in the figures of a step: they are one record."""

_TURN_SECONDS = 20.0
"""Less than the limit of a step, whose reason would not name the folder."""

_STAMP = "%Y%m%dT%H%M%SZ"
_ROTATED = re.compile(r"(.+)\.(\d{8}T\d{6}Z)(?:-(\d{1,6}))?(\.gz)?")


class LogFilesFailed(Exception):
    """Some files could not be worked on; the others were."""

    def __init__(self, of: int, errors: Mapping[Path, OSError]) -> None:
        named = "; ".join(
            f"{path}: {error.strerror or error}" for path, error in list(errors.items())[:3]
        )
        more = f"; and {len(errors) - 3} more" if len(errors) > 3 else ""
        super().__init__(f"{len(errors)} of {of} files: {named}{more}")


class Rotated(msgspec.Struct, frozen=True, order=True):
    """A rotated file. They sort by age, the oldest first."""

    at: datetime
    number: int
    """Of several within one second."""
    path: Path

    @property
    def is_compressed(self) -> bool:
        return self.path.name.endswith(COMPRESSED)


def patterns_of(listed: str) -> list[str]:
    return [pattern.strip() for pattern in listed.split(",") if pattern.strip()]


def logs_of(settings: LogRotation) -> list[Path]:
    """The log files that exist now, links left out. Raises `NotConfigured`."""
    return sorted(
        path
        for path in _matching(_paths(settings))
        if path.is_file()
        and not path.is_symlink()
        and not _ROTATED.fullmatch(path.name.removesuffix(PART))
    )


def rotated_of(settings: LogRotation) -> dict[Path, list[Rotated]]:
    """The rotated files of each log, oldest first; also of logs that are gone. Raises
    `NotConfigured`.
    """
    found = defaultdict[Path, list[Rotated]](list)
    for path in _matching([f"{pattern}.*" for pattern in _paths(settings)]):
        if parsed := _parsed(path):
            log, rotated = parsed
            found[log].append(rotated)
    return {log: sorted(files) for log, files in sorted(found.items())}


def left_behind(settings: LogRotation) -> list[Path]:
    """What a process that died while it wrote a rotated file left of it, a day ago or more."""
    a_day_ago = time() - 86_400
    return [
        path
        for path in _matching([f"{pattern}.*{PART}" for pattern in _paths(settings)])
        if _ROTATED.fullmatch(path.name.removesuffix(PART)) and path.stat().st_mtime < a_day_ago
    ]


def name_for(log: Path, at: datetime) -> Path:
    """A name beside the log that no file has."""
    stamped = log.with_name(f"{log.name}.{at:{_STAMP}}")
    number, wanted = 0, stamped
    while wanted.exists() or wanted.with_name(wanted.name + COMPRESSED).exists():
        number += 1
        wanted = stamped.with_name(f"{stamped.name}-{number}")
    return wanted


def _paths(settings: LogRotation) -> list[str]:
    patterns = patterns_of(settings.paths)
    if not patterns:
        raise NotConfigured("LOG_ROTATION_PATHS names no log files")
    return patterns


def _matching(patterns: list[str]) -> set[Path]:
    return {Path(name) for pattern in patterns for name in glob(pattern)}  # noqa: PTH207 - absolute


def _parsed(path: Path) -> tuple[Path, Rotated] | None:
    match = _ROTATED.fullmatch(path.name)
    if match is None or path.is_symlink() or not path.is_file():
        return None
    try:
        at = datetime.strptime(match[2], _STAMP).replace(tzinfo=UTC)
    except ValueError:
        return None
    return path.with_name(match[1]), Rotated(at, int(match[3] or 0), path)


@contextmanager
def alone_in(folder: Path) -> Iterator[int]:
    """No other process rotates or deletes logs of this folder meanwhile; yields its descriptor.

    Raises `TimeoutError` if another one does for longer than `_TURN_SECONDS`.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _lock(descriptor, folder)
        yield descriptor
    finally:
        os.close(descriptor)


def _lock(descriptor: int, folder: Path) -> None:
    until = monotonic() + _TURN_SECONDS
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if monotonic() > until:
                raise TimeoutError(ETIMEDOUT, f"another rotation works in {folder}") from None
            sleep(0.1)


def figures(done: JsonObject, of: int, errors: Mapping[Path, OSError]) -> JsonObject:
    """What was done. Raises `LogFilesFailed` if some files could not be worked on."""
    if errors:
        raise LogFilesFailed(of, errors)
    return done
