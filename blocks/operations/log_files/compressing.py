"""Compression of rotated files, which proves the copy before the original goes."""

import gzip
import hashlib
import os
from pathlib import Path
from time import time
from typing import BinaryIO

from blocks.contracts.events import JsonObject
from blocks.operations.log_files.logs import (
    COMPRESSED,
    FILES_MAX,
    PART,
    alone_in,
    figures,
    rotated_of,
)
from blocks.operations.log_files.writers import is_open_for_writing
from blocks.operations.work import Stop
from blocks.settings.operations import LogRotation

_PIECE = 1 << 20


def compress_old(settings: LogRotation, stop: Stop) -> JsonObject:
    """Every rotated file that was quiet long enough, and that no one has open for writing, is
    compressed.

    Returns `filesCompressed`, `bytesBefore`, `bytesAfter`, `filesStillWritten` and `files`, the
    first of them. Raises `NotConfigured`, and `LogFilesFailed` when the others are done.
    """
    plain = [
        one.path
        for files in rotated_of(settings).values()
        for one in files
        if not one.is_compressed
    ]
    errors, done, written = dict[Path, OSError](), list[JsonObject](), 0
    for path in plain:
        stop()
        try:
            with alone_in(path.parent) as folder:
                compressed = _compress(path, settings.quiet_hours * 3600, folder, stop)
        except FileNotFoundError:
            continue  # another process of ours was faster
        except OSError as error:
            errors[path] = error
            continue
        if compressed is None:
            written += 1
        else:
            before, after = compressed
            done.append({"file": str(path), "bytesBefore": before, "bytesAfter": after})
    result = {
        "filesCompressed": len(done),
        "bytesBefore": sum(one["bytesBefore"] for one in done),
        "bytesAfter": sum(one["bytesAfter"] for one in done),
        "filesStillWritten": written,
        "files": done[:FILES_MAX],
    }
    return figures(result, len(plain), errors)


def _compress(path: Path, quiet_seconds: float, folder: int, stop: Stop) -> tuple[int, int] | None:
    """Its size before and after; None for one that is still written, which stays as it is.

    `folder`: a descriptor of where it lies.
    """
    seen = path.stat()
    if time() - seen.st_mtime < quiet_seconds or is_open_for_writing(path):
        return None
    target = path.with_name(path.name + COMPRESSED)
    part = target.with_name(target.name + PART)
    try:
        with path.open("rb") as source, part.open("wb") as raw:
            os.fchmod(raw.fileno(), seen.st_mode & 0o777)
            with gzip.GzipFile(path.name, "wb", fileobj=raw, mtime=seen.st_mtime) as packed:
                digest = _digest(source, stop, packed)
            raw.flush()
            os.fsync(raw.fileno())
        with gzip.open(part, "rb") as unpacked:
            if _digest(unpacked, stop) != digest:
                raise OSError(f"what was compressed does not read back: {part}")
        now = path.stat()
        if (now.st_size, now.st_mtime_ns) != (seen.st_size, seen.st_mtime_ns):
            return None
        os.utime(part, ns=(seen.st_atime_ns, seen.st_mtime_ns))
        part.rename(target)
        os.fsync(folder)  # the new name is on the disk before the old file goes
        path.unlink()
        return seen.st_size, target.stat().st_size
    finally:
        part.unlink(missing_ok=True)


def _digest(source: BinaryIO | gzip.GzipFile, stop: Stop, copy: gzip.GzipFile | None = None) -> str:
    digest = hashlib.sha256()
    while piece := source.read(_PIECE):
        stop()
        digest.update(piece)
        if copy:
            copy.write(piece)
    return digest.hexdigest()
