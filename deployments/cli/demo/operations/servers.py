"""A PostgreSQL and a Redis of the demo's own, where their programs are installed.

Both last as long as their context, and nothing is left of them. Each yields the settings with which
operations work with it, and raises `NotHere`.
"""

import asyncio
import os
import pwd
import secrets
import shutil
import tempfile
import time
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from blocks.operations.performance import redis_server
from blocks.operations.performance.redis_server import RedisFailed
from blocks.operations.postgres import DatabaseFailed, connected
from blocks.settings.operations.databases import database_at
from deployments.local.child_process import ChildProcess, as_user
from deployments.local.free_ports import free_port

START_SECONDS = 30.0
_STOP_SECONDS = 10.0

_SHOP = (
    "CREATE DATABASE shop",
    """
CREATE TABLE orders (id int PRIMARY KEY, city text NOT NULL, cents int NOT NULL);
INSERT INTO orders SELECT n, 'city ' || n % 50, n * 7 FROM generate_series(1, 5000) n;
CREATE TABLE parcels (id int PRIMARY KEY, order_id int NOT NULL REFERENCES orders (id));
INSERT INTO parcels SELECT n, n FROM generate_series(1, 1200) n;
""",
    "DELETE FROM parcels WHERE id % 3 = 0",
    "ANALYZE",
)
"""The first is for the database `postgres`."""
_KEYS = 300


class NotHere(Exception):
    """This machine has no such server; the message says why."""


@asynccontextmanager
async def postgres(logs: Path) -> AsyncIterator[Mapping[str, str]]:
    """A database `shop` with two tables, one of them with dead rows. Its server listens on no port:
    it answers in a folder of its user alone.
    """
    programs, user = _postgres_programs(), _unprivileged_user()
    with tempfile.TemporaryDirectory(prefix="demo-postgres-", ignore_cleanup_errors=True) as name:
        if user:
            shutil.chown(name, user, user)
        await _initialise(programs, name, user)
        options = {
            "listen_addresses": "",
            "unix_socket_directories": name,
            "fsync": "off",
            "autovacuum": "off",  # dead rows are for the demo
        }
        words = [word for one, value in options.items() for word in ("-c", f"{one}={value}")]
        command = (str(programs / "postgres"), "-D", f"{name}/data", *words)
        async with _running("postgres", command, logs, lambda: _fill(name), user):
            yield {
                "DATABASE_URL": _url(name, "shop"),
                "BACKUP_PROGRAMS_FOLDER": str(programs),
                "PERFORMANCE_VACUUM_TABLES": "public.orders,public.parcels",
                "SECURITY_AUDIT_SUPERUSERS": "demo",
            }


@asynccontextmanager
async def redis(logs: Path) -> AsyncIterator[Mapping[str, str]]:
    """A cache with keys, behind a password."""
    program = shutil.which("redis-server")
    if program is None:
        raise NotHere("redis-server is not installed")
    password, port = secrets.token_hex(16), free_port("127.0.0.1")
    url = f"redis://:{password}@127.0.0.1:{port}/0"
    with tempfile.TemporaryDirectory(prefix="demo-redis-", ignore_cleanup_errors=True) as name:
        written = Path(name) / "redis.conf"  # every user can read a command line
        written.write_text(
            f'requirepass {password}\nbind 127.0.0.1\nport {port}\nsave ""\ndir {name}\n'
        )
        async with _running("redis", (program, str(written)), logs, lambda: _cache(url)):
            yield {
                "REDIS_URL": url,
                "PERFORMANCE_PURGE_KEYS": "cache:*",
                "PERFORMANCE_PURGE_OVER_MEGABYTES": "0",
            }


def _postgres_programs() -> Path:
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    # Debian keeps those of the server off the PATH
    packaged = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if not packaged:
        raise NotHere("PostgreSQL is not installed")
    return max(packaged, key=lambda folder: int(folder.parent.name))


def _unprivileged_user() -> str | None:
    """PostgreSQL refuses to run as root; its packages bring a user for it."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        raise NotHere("PostgreSQL does not run as root, and there is no user postgres") from None


async def _initialise(programs: Path, folder: str, user: str | None) -> None:
    options = ("--username=demo", "--auth=trust", "--encoding=UTF8", "--no-sync")
    initdb = await asyncio.create_subprocess_exec(
        programs / "initdb",
        f"--pgdata={folder}/data",
        *options,
        stdin=DEVNULL,
        stdout=DEVNULL,
        stderr=PIPE,
        cwd=folder,
        **as_user(user),
    )
    _, reported = await initdb.communicate()
    if initdb.returncode:
        raise NotHere(f"initdb failed: {reported.decode(errors='replace').strip()[:300]}")


@asynccontextmanager
async def _running(
    name: str,
    command: tuple[str, ...],
    logs: Path,
    prepare: Callable[[], Awaitable[None]],
    user: str | None = None,
) -> AsyncIterator[None]:
    """The server answers, and holds what the demo needs."""
    server = ChildProcess(
        name,
        command,
        environment={},
        log_file=logs / f"{name}.log",
        on_line=lambda line: None,
        user=user,
    )
    await server.start()
    try:
        await _prepared(name, prepare)
        yield
    finally:
        await server.stop(_STOP_SECONDS)


async def _prepared(name: str, prepare: Callable[[], Awaitable[None]]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            return await prepare()
        except (DatabaseFailed, RedisFailed) as error:
            if time.monotonic() > deadline:
                raise NotHere(f"{name} does not answer: {error}") from None
        await asyncio.sleep(0.1)


async def _fill(folder: str) -> None:
    for number, statements in enumerate(_SHOP):
        database = database_at(_url(folder, "shop" if number else "postgres"), "DATABASE_URL")
        async with connected(database, application="demo") as connection:
            await connection.execute(statements)


async def _cache(url: str) -> None:
    async with redis_server.connected(url) as client:
        await client.mset({f"cache:page:{number}": "x" * 1_000 for number in range(_KEYS)})
        await client.set("basket:of-ann", "3 parcels")


def _url(folder: str, database: str) -> str:
    return f"postgresql://demo@/{database}?host={folder}"
