"""Log files on a real disk, rotated, compressed and deleted while others write them."""

import asyncio
import gzip
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from time import monotonic

import pytest

from blocks.clock import utc_now
from blocks.operations import log_files
from blocks.operations.log_files.logs import LogFilesFailed, name_for
from blocks.operations.work import NotConfigured, Stopped, in_thread, never_stopped
from blocks.settings import load_settings
from blocks.settings.operations import LogRotation
from tests.support.waiting import eventually


def settings_of(folder: Path, **changes: object) -> LogRotation:
    variables = {"PATHS": f"{folder}/*.log", "QUIET_HOURS": "0", **changes}
    named = {f"LOG_ROTATION_{name}": str(value) for name, value in variables.items()}
    return load_settings(named).operations.log_rotation


def rotate_all(settings: LogRotation) -> dict[str, int]:
    return {
        **log_files.rotate(settings, never_stopped),
        **log_files.compress_old(settings, never_stopped),
        **log_files.delete_old(settings, never_stopped),
    }


def rotated(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.endswith(".log"))


def lines_in(folder: Path) -> list[str]:
    """Every line of every log, rotated or not, compressed or not."""
    return [
        line
        for path in folder.iterdir()
        for line in (
            gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        )
        .decode()
        .splitlines()
    ]


def rotated_before(log: Path, text: str, ago: timedelta) -> Path:
    path = name_for(log, utc_now() - ago)
    path.write_text(text)
    return path


# --- rotation -------------------------------------------------------------------------------------


def test_a_log_with_content_is_renamed_and_an_empty_one_of_its_mode_stands_there(
    tmp_path: Path,
) -> None:
    log = tmp_path / "web.log"
    log.write_text("one\n")
    log.chmod(0o640)
    (tmp_path / "empty.log").touch()
    (tmp_path / "notes.txt").write_text("no log\n")

    figures = log_files.rotate(settings_of(tmp_path), never_stopped)

    files = [{"file": str(log), "bytes": 4}]
    sums = {"logsRotated": 1, "bytesRotated": 4, "truncated": 0, "writersAsked": 0}
    assert {**sums, "files": files} == figures
    [old] = [path for path in rotated(tmp_path) if path.name != "notes.txt"]
    assert ("one\n", "", 0o640) == (
        old.read_text(),
        log.read_text(),
        log.stat().st_mode & 0o777,
    )
    assert "no log\n" == (tmp_path / "notes.txt").read_text()


def test_smaller_logs_are_left_until_they_are_large_enough(tmp_path: Path) -> None:
    (tmp_path / "small.log").write_bytes(b"x" * 999)
    (tmp_path / "large.log").write_bytes(b"x" * 1_001)

    figures = log_files.rotate(settings_of(tmp_path, OVER_MEGABYTES="0.001"), never_stopped)

    assert 1 == figures["logsRotated"]
    assert 999 == (tmp_path / "small.log").stat().st_size


def test_a_link_is_no_log(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    (tmp_path / "secret").write_text("do not move\n")
    (folder / "web.log").symlink_to(tmp_path / "secret")

    assert 0 == rotate_all(settings_of(folder))["logsRotated"]
    assert "do not move\n" == (tmp_path / "secret").read_text()


def test_without_paths_there_is_nothing_to_do(tmp_path: Path) -> None:
    nothing = load_settings({}).operations.log_rotation

    for work in (log_files.rotate, log_files.compress_old, log_files.delete_old):
        with pytest.raises(NotConfigured, match="LOG_ROTATION_PATHS"):
            work(nothing, never_stopped)


def test_a_writer_that_cannot_open_a_new_file_has_its_log_copied_and_truncated(
    tmp_path: Path,
) -> None:
    log = tmp_path / "old.log"
    with log.open("a") as writer:
        writer.write("before\n")
        writer.flush()

        figures = log_files.rotate(settings_of(tmp_path, COPYTRUNCATE=log), never_stopped)
        writer.write("after\n")

    assert (1, 1) == (figures["logsRotated"], figures["truncated"])
    assert "after\n" == log.read_text()
    assert ["before\n"] == [path.read_text() for path in rotated(tmp_path)]


SIGNALLED_WRITER = """
import os, pathlib, signal, sys
log, pid_file = map(pathlib.Path, sys.argv[1:])
out = log.open("a", buffering=1)
def reopen(*_):
    global out
    out.close()
    out = log.open("a", buffering=1)
    out.write("reopened\\n")
signal.signal(signal.SIGUSR1, reopen)
out.write("begun\\n")
pid_file.write_text(str(os.getpid()))
while True:
    signal.pause()
"""


async def test_a_writer_is_asked_to_open_its_log_again(tmp_path: Path) -> None:
    log, pid_file = tmp_path / "web.log", tmp_path / "web.pid"

    async def runs() -> bool:
        return pid_file.exists() and bool(pid_file.read_text())

    async def has_reopened() -> bool:
        return log.read_text() == "reopened\n"

    writer = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SIGNALLED_WRITER, str(log), str(pid_file)
    )
    try:
        await eventually(runs)
        settings = settings_of(tmp_path, REOPEN=f"USR1:{pid_file},HUP:{tmp_path}/gone.pid")

        figures = log_files.rotate(settings, never_stopped)

        assert 1 == figures["writersAsked"]
        await eventually(has_reopened)
    finally:
        writer.kill()
        await writer.wait()


@pytest.mark.parametrize("entry", ["SIGNAL:{pid}", "USR1", "HUP:{pid}"])
def test_a_signal_that_makes_no_sense_fails_the_rotation(tmp_path: Path, entry: str) -> None:
    (tmp_path / "web.log").write_text("one\n")
    (tmp_path / "pid").write_text("1")
    settings = settings_of(tmp_path, REOPEN=entry.format(pid=tmp_path / "pid"))

    with pytest.raises(OSError, match="LOG_ROTATION_REOPEN"):
        log_files.rotate(settings, never_stopped)


# --- compression ----------------------------------------------------------------------------------


def test_a_rotated_file_is_compressed_once_no_one_has_it_open_for_writing(tmp_path: Path) -> None:
    log, settings = tmp_path / "web.log", settings_of(tmp_path)
    with log.open("a") as writer:
        writer.write("one\n")
        writer.flush()
        log_files.rotate(settings, never_stopped)
        writer.write("two\n")
        writer.flush()

        assert (0, 1) == (
            (figures := log_files.compress_old(settings, never_stopped))["filesCompressed"],
            figures["filesStillWritten"],
        )

    figures = log_files.compress_old(settings, never_stopped)
    assert (1, 0, 8) == (
        figures["filesCompressed"],
        figures["filesStillWritten"],
        figures["bytesBefore"],
    )
    [packed] = rotated(tmp_path)
    assert (".gz", b"one\ntwo\n") == (packed.suffix, gzip.decompress(packed.read_bytes()))


def test_a_rotated_file_that_was_written_a_moment_ago_is_not_compressed_yet(
    tmp_path: Path,
) -> None:
    rotated_before(tmp_path / "web.log", "one\n", timedelta(days=1))

    figures = log_files.compress_old(settings_of(tmp_path, QUIET_HOURS="1"), never_stopped)

    assert (0, 1) == (figures["filesCompressed"], figures["filesStillWritten"])


def test_work_that_is_given_up_leaves_the_original_and_nothing_else(tmp_path: Path) -> None:
    original = rotated_before(tmp_path / "web.log", "one\n", timedelta(days=1))
    calls = count()

    def stop() -> None:
        if next(calls):
            raise Stopped

    with pytest.raises(Stopped):
        log_files.compress_old(settings_of(tmp_path), stop)

    assert [original] == rotated(tmp_path)


def test_a_full_disk_fails_the_step_and_leaves_the_original(small_disk: Path) -> None:
    log = small_disk / "web.log"
    log.write_bytes(os.urandom(700_000))
    settings = settings_of(small_disk)
    log_files.rotate(settings, never_stopped)

    with pytest.raises(LogFilesFailed, match=r"1 of 1 files: .*No space left on device"):
        log_files.compress_old(settings, never_stopped)

    [original] = rotated(small_disk)
    assert 700_000 == original.stat().st_size


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """One megabyte; needs root."""
    if os.geteuid() != 0:
        pytest.skip("mounting a disk needs root")
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    subprocess.run(mount, check=True)
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


# --- deletion -------------------------------------------------------------------------------------


def test_rotated_files_are_deleted_by_age_and_nothing_else_is(tmp_path: Path) -> None:
    log = tmp_path / "web.log"
    log.write_text("now\n")
    old = rotated_before(log, "old\n", timedelta(days=31))
    young = rotated_before(log, "young\n", timedelta(days=29))
    foreign = tmp_path / "web.log.20200101"
    foreign.write_text("not ours\n")

    figures = log_files.delete_old(settings_of(tmp_path), never_stopped)

    assert (1, 4, 1) == (figures["filesDeleted"], figures["bytesDeleted"], len(figures["files"]))
    assert not old.exists()
    assert {log, young, foreign} == set(tmp_path.iterdir())


def test_the_oldest_of_a_log_are_deleted_beyond_its_size(tmp_path: Path) -> None:
    log, other = tmp_path / "web.log", tmp_path / "shop.log"
    [first, second, third] = [
        rotated_before(log, "x" * 400, timedelta(days=days)) for days in (3, 2, 1)
    ]
    of_another = rotated_before(other, "x" * 900, timedelta(days=4))

    log_files.delete_old(settings_of(tmp_path, KEPT_MEGABYTES="0.001"), never_stopped)

    assert not first.exists()
    assert {second, third, of_another} == set(tmp_path.iterdir())


def test_what_a_killed_process_left_half_written_is_deleted_a_day_later(tmp_path: Path) -> None:
    old = rotated_before(tmp_path / "web.log", "old\n", timedelta(days=2))
    part = old.with_name(f"{old.name}.gz.part")
    part.write_bytes(b"half")
    settings = settings_of(tmp_path)

    assert 0 == log_files.delete_old(settings, never_stopped)["filesDeleted"]
    yesterday = (datetime.now() - timedelta(days=1, minutes=1)).timestamp()
    os.utime(part, (yesterday, yesterday))

    assert 1 == log_files.delete_old(settings, never_stopped)["filesDeleted"]
    assert [old] == rotated(tmp_path)


# --- beside a writer ------------------------------------------------------------------------------


WATCHING_WRITER = """
import logging.handlers, pathlib, sys
log, end = map(pathlib.Path, sys.argv[1:])
handler = logging.handlers.WatchedFileHandler(log)
number = 0
while not end.exists():
    for _ in range(100):
        handler.emit(logging.makeLogRecord({"msg": f"line {number}"}))
        number += 1
handler.close()
print(number)
"""


@contextmanager
def writer_of(log: Path, end: Path) -> Iterator[subprocess.Popen[str]]:
    """Writes numbered lines until `end` exists, then prints how many; it opens its log again when
    that is another file.
    """
    command = [sys.executable, "-c", WATCHING_WRITER, str(log), str(end)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        try:
            yield writer
        finally:
            writer.kill()


@pytest.mark.long
def test_no_line_is_lost_in_a_thousand_rotations_beside_a_writer(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    settings, rotations, until = settings_of(folder), 0, monotonic() + 120
    with writer_of(folder / "web.log", tmp_path / "end") as writer:
        while rotations < 1000:
            rotations += rotate_all(settings)["logsRotated"]
            assert monotonic() < until, f"{rotations} rotations in two minutes"
        (tmp_path / "end").touch()
        written = int(writer.communicate(timeout=30)[0])
    log_files.compress_old(settings, never_stopped)

    lines = lines_in(folder)
    assert (written, written) == (len(lines), len(set(lines)))
    assert f"line {written - 1}" in lines


async def test_two_rotations_at_once_lose_nothing(tmp_path: Path) -> None:
    log, settings = tmp_path / "web.log", settings_of(tmp_path)
    for number in range(50):
        with log.open("a") as out:
            out.write(f"line {number}\n")
        await asyncio.gather(
            *(in_thread(lambda stop: rotate_all(settings)) for _ in range(2)),
        )

    assert sorted(f"line {number}" for number in range(50)) == sorted(lines_in(tmp_path))
