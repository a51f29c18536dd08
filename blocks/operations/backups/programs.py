"""PostgreSQL's own programs, run with a time limit; credentials go into the child's environment,
which only its user can read, and never onto a command line or into a log.
"""

import asyncio
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from blocks.operations.backups.connections import APPLICATION, CONNECT_SECONDS
from blocks.operations.backups.errors import BackupFailed, failed
from blocks.settings.operations import DatabaseBackup
from blocks.settings.operations.databases import Database

_VERSION_SECONDS = 30.0
_REASON_MAX = 600
_INHERITED = ("PATH", "HOME", "LD_LIBRARY_PATH", "TZ")
_OPTIONS = {
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
}


async def run(
    part: DatabaseBackup, program: str, arguments: list[str], database: Database, doing: str
) -> None:
    """The program has ended without an error. Raises `BackupFailed` if it has not, or not within
    `limit_seconds`.
    """
    path = program_at(part, program)
    environment = {**_environment(), **_libpq(database)}
    await _run(path, arguments, environment, part.limit_seconds, doing)


async def check_version(part: DatabaseBackup, program: str, server: str) -> str:
    """The program's version, which is not below the server's. Raises `BackupFailed`."""
    path = program_at(part, program)
    shown = await _run(path, ["--version"], _environment(), _VERSION_SECONDS, f"asking {program}")
    version = re.search(r"\(PostgreSQL\) ((\d+)\S*)", shown)
    if version is None:
        raise BackupFailed(f"{path} does not name its version: set BACKUP_PROGRAMS_FOLDER")
    major = int(re.split(r"\D", server)[0])
    if int(version[2]) < major:
        raise BackupFailed(
            f"{path} is of PostgreSQL {version[2]} and the server of {major}: install the client "
            f"programs of {major} (Debian: postgresql-client-{major}) and set "
            "BACKUP_PROGRAMS_FOLDER to their folder"
        )
    return version[1]


def program_at(part: DatabaseBackup, program: str) -> str:
    """Where the program is. Raises `BackupFailed` if it is not there."""
    path = shutil.which(program, path=part.programs_folder or None)
    if path is None:
        place = f"in {part.programs_folder}" if part.programs_folder else "on the PATH"
        raise BackupFailed(
            f"{program} is not {place}: install PostgreSQL's client programs (Debian: "
            "postgresql-client), or set BACKUP_PROGRAMS_FOLDER to their folder"
        )
    return path


async def _run(
    path: str, arguments: list[str], environment: Mapping[str, str], seconds: float, doing: str
) -> str:
    """What it wrote. When this is cancelled, the program is ended."""
    name = Path(path).name
    try:
        process = await asyncio.create_subprocess_exec(
            path,
            *arguments,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as error:
        raise failed(doing, f"{path}: {error.strerror}") from error
    try:
        async with asyncio.timeout(seconds):
            out, err = await process.communicate()
    except TimeoutError:
        raise BackupFailed(
            f"{doing} failed: {name} did not end within {seconds:g} s: set BACKUP_LIMIT_SECONDS "
            "higher if it needs longer"
        ) from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise failed(doing, _reason(err) or f"{name} ended with {process.returncode}")
    return out.decode(errors="replace")


def _reason(err: bytes) -> str:
    """The first error and what follows it, without the statements that programs quote."""
    lines = [line for line in err.decode(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if re.search("error|fatal|could not", line, re.I)]
    return " ".join((errors or lines)[:3])[:_REASON_MAX]


def _environment() -> dict[str, str]:
    """English, so that causes are recognised."""
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return inherited | {"LC_ALL": "C"}


def _libpq(database: Database) -> dict[str, str]:
    named = {
        "PGHOST": database.host,
        "PGPORT": str(database.port),
        "PGUSER": database.user,
        "PGPASSWORD": database.password,
        "PGDATABASE": database.name,
        "PGAPPNAME": APPLICATION,
        "PGCONNECT_TIMEOUT": f"{CONNECT_SECONDS:.0f}",
    }
    options = {_OPTIONS[name]: value for name, value in database.options.items()}
    return {name: value for name, value in (named | options).items() if value}
