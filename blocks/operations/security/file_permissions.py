"""Who may write, and who may read, the files and folders that the settings name."""

import grp
import os
import pwd
import stat
from collections.abc import Iterator
from contextlib import suppress
from glob import glob
from pathlib import Path

from blocks.operations.security.findings import Finding, finding
from blocks.operations.work import Stop
from blocks.settings.auth import words
from blocks.settings.operations import SecurityAudit


def check_files(
    settings: SecurityAudit, data_folder: Path, stop: Stop
) -> tuple[int, list[Finding]]:
    """How many files and folders were looked at, and what is wrong with them.

    Links are not followed, except where a setting names one. What cannot be read is a finding.
    """
    owners = _owners(settings)
    found: list[Finding] = []
    named = [str(data_folder)] if data_folder.exists() else []
    paths = _with_content(_matching([*named, *words(settings.paths)], found), found)
    secrets = dict(_with_content(_matching(words(settings.secrets), found), found))
    looked_at = dict(paths) | secrets
    for path, status in looked_at.items():
        stop()
        found += _of_mode(path, status)
        found += _of_owner(path, status, owners)
        if path in secrets:
            found += _of_secret(path, status)
    return len(looked_at), found


def secret_files(settings: SecurityAudit) -> Iterator[tuple[Path, os.stat_result]]:
    """Those that can be read, with what the file system says of each."""
    ignored: list[Finding] = []
    for path, status in _with_content(_matching(words(settings.secrets), ignored), ignored):
        if stat.S_ISREG(status.st_mode):
            yield path, status


def _of_mode(path: Path, status: os.stat_result) -> Iterator[Finding]:
    is_shared_folder = stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX
    if status.st_mode & stat.S_IWOTH and not is_shared_folder:
        yield finding(
            "high", str(path), "every user may write it", "take the right away: chmod o-w"
        )


def _of_secret(path: Path, status: os.stat_result) -> Iterator[Finding]:
    if stat.S_ISREG(status.st_mode) and status.st_mode & stat.S_IROTH:
        yield finding("high", str(path), "every user may read this secret", "chmod o-r")
    if status.st_mode & stat.S_IWGRP and not status.st_mode & stat.S_ISVTX:
        group = _name(status.st_gid, of_group=True)
        yield finding("high", str(path), f"group {group} may write this secret", "chmod g-w")


def _of_owner(path: Path, status: os.stat_result, owners: frozenset[int]) -> Iterator[Finding]:
    if status.st_uid not in owners:
        yield finding(
            "medium",
            str(path),
            f"it belongs to {_name(status.st_uid)}",
            "chown it, or name the user in SECURITY_AUDIT_OWNERS",
        )


def _owners(settings: SecurityAudit) -> frozenset[int]:
    """Root, this process's user, and those of the settings that exist."""
    owners = {0, os.geteuid()}
    for word in words(settings.owners):
        with suppress(KeyError):
            owners.add(int(word) if word.isdecimal() else pwd.getpwnam(word).pw_uid)
    return frozenset(owners)


def _name(id: int, *, of_group: bool = False) -> str:
    try:
        return grp.getgrgid(id).gr_name if of_group else pwd.getpwuid(id).pw_name
    except KeyError:
        return str(id)


def _matching(patterns: list[str] | tuple[str, ...], found: list[Finding]) -> Iterator[Path]:
    """What the patterns name, links resolved; a pattern that names nothing is a finding."""
    for pattern in patterns:
        names = sorted(glob(pattern))  # noqa: PTH207 - absolute
        if not names:
            found.append(
                finding(
                    "medium", pattern, "it is not there, so nothing was checked", "mend the path"
                )
            )
        yield from (Path(name).resolve() for name in names)


def _with_content(
    paths: Iterator[Path], found: list[Finding]
) -> Iterator[tuple[Path, os.stat_result]]:
    """Each of these and everything below it, links left out."""
    for path in paths:
        try:
            status = path.lstat()
            if stat.S_ISLNK(status.st_mode):
                continue
            yield path, status
            if stat.S_ISDIR(status.st_mode):
                yield from _with_content(iter(sorted(path.iterdir())), found)
        except FileNotFoundError:
            continue  # it went away meanwhile
        except OSError as error:
            found.append(
                finding(
                    "medium", str(path), f"it cannot be read: {error.strerror}", "let us read it"
                )
            )
