"""What goes wrong with a backup is one line that names what to do."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from tempfile import gettempdir
from urllib.parse import quote

import msgspec
import pytest

from blocks.clock import utc_now
from blocks.operations.backups import (
    BackupFailed,
    backup_name,
    create,
    create_all,
    newest_verified,
    store,
    store_all,
)
from blocks.ports import Unavailable
from tests.support.operations.shop import Shop, a_shop
from tests.support.servers.ports import free_port
from tests.support.servers.postgres import Postgres

pytestmark = pytest.mark.long

_NOBODY = 65_534
PASSWORD = "p@ss/w:rd %#?"


async def made(shop: Shop, **settings: str) -> None:
    place = shop.place(**settings)
    name = backup_name(shop.name, utc_now())
    await create(place, place.databases[0], name)
    await store(place, place.databases[0], name)


@pytest.fixture
async def guarded(postgres: Postgres, shop: Shop) -> AsyncIterator[str]:
    """A user of the server that has to show the password, and may not read the tables."""
    user = f"user_{shop.name}"
    await shop.query(f"CREATE ROLE {user} LOGIN PASSWORD '{PASSWORD}'")
    postgres.demand_password(user)
    yield user
    await shop.query(f"DROP OWNED BY {user}")
    await shop.query(f"DROP ROLE {user}")


def url_of(shop: Shop, user: str, password: str) -> str:
    return re.sub(r"//.*@", f"//{user}:{password}@", shop.url)


async def test_a_wrong_password(shop: Shop, guarded: str) -> None:
    with pytest.raises(BackupFailed, match=r"password.*correct the user and password in DATABASE"):
        await made(shop, DATABASE_URL=url_of(shop, guarded, "wrong-password"))


async def test_a_user_without_the_right_to_read_and_then_without_that_to_create_databases(
    shop: Shop, guarded: str
) -> None:
    url = url_of(shop, guarded, quote(PASSWORD, safe=""))
    with pytest.raises(BackupFailed, match=r"permission denied.*pg_read_all_data"):
        await made(shop, DATABASE_URL=url)
    await shop.query(f"GRANT pg_read_all_data TO {guarded}")
    await shop.query("DELETE FROM pg_largeobject_metadata")
    with pytest.raises(BackupFailed, match="grant the user CREATEDB, or set BACKUP_SCRATCH_URL"):
        await made(shop, DATABASE_URL=url)
    await asyncio.sleep(1)

    await made(shop, DATABASE_URL=url, BACKUP_SCRATCH_URL=shop.url)

    assert await newest_verified(shop.place().files, shop.name)


async def test_a_database_that_is_not_there(shop: Shop) -> None:
    with pytest.raises(BackupFailed, match="correct the database's name in DATABASE_URL"):
        await made(shop, BACKUP_DATABASES="nowhere")


async def test_a_server_that_is_away(shop: Shop) -> None:
    url = re.sub(r":\d+/", f":{free_port()}/", shop.url)
    with pytest.raises(BackupFailed, match="check that PostgreSQL runs"):
        await made(shop, DATABASE_URL=url)


async def test_a_server_that_dies_while_it_is_dumped(tmp_path: Path) -> None:
    cluster = Postgres(durable=False)
    cluster.start()
    try:
        shop = await a_shop(cluster, "shop", str(tmp_path))
        place = shop.place()
        dying = msgspec.structs.replace(
            place, report=lambda line: cluster.kill() if "dumping" in line else None
        )
        with pytest.raises(BackupFailed, match="check that PostgreSQL runs"):
            await create(dying, shop.database, backup_name("shop", utc_now()))
    finally:
        cluster.close()


async def test_programs_that_are_missing(shop: Shop, tmp_path: Path) -> None:
    with pytest.raises(BackupFailed, match=r"pg_dump is not in .*: install PostgreSQL's client"):
        await made(shop, BACKUP_PROGRAMS_FOLDER=str(tmp_path))


async def test_a_program_older_than_the_server(shop: Shop, tmp_path: Path) -> None:
    program = tmp_path / "pg_dump"
    program.write_text('#!/bin/sh\necho "pg_dump (PostgreSQL) 9.6.24"\n')
    program.chmod(0o755)

    with pytest.raises(BackupFailed, match=r"is of PostgreSQL 9 and the server of 1.: install the"):
        await made(shop, BACKUP_PROGRAMS_FOLDER=str(tmp_path))


async def test_a_dump_that_does_not_end(shop: Shop, tmp_path: Path) -> None:
    program, running = tmp_path / "pg_dump", tmp_path / "running"
    program.write_text(
        '#!/bin/sh\n[ "$1" = --version ] && exec /usr/bin/pg_dump --version\n'
        f"echo $$ >{running}\nexec sleep 1000\n"
    )
    program.chmod(0o755)

    with pytest.raises(BackupFailed, match="did not end within 2 s: set BACKUP_LIMIT_SECONDS"):
        await made(shop, BACKUP_PROGRAMS_FOLDER=str(tmp_path), BACKUP_LIMIT_SECONDS="2")

    with pytest.raises(ProcessLookupError):
        os.kill(int(running.read_text()), 0)


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KB, with nothing free; needs root."""
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "small", folder], check=True)
    try:
        with (folder / "filler").open("wb") as filler:
            filler.write(b"\0" * 48_000)
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a small disk")
async def test_a_full_disk_where_archives_are_made_or_kept(shop: Shop, full_disk: Path) -> None:
    await shop.query("INSERT INTO orders SELECT n, md5(n::text) FROM generate_series(2e4, 6e4) n")

    with pytest.raises(BackupFailed, match=r"No space left.*free space there; BACKUP_WORK_FOLDER"):
        await made(shop, BACKUP_WORK_FOLDER=str(full_disk / "work"))
    with pytest.raises(Unavailable, match=r"backups \(BACKUP_URL\) failed with .*No space left"):
        await made(shop, BACKUP_URL=str(full_disk / "backups"))

    unfinished = [*(full_disk / "backups").rglob("*.dump*")]
    assert [] == unfinished, "a file that did not fit is deleted at once"


@pytest.fixture
def as_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of `nobody`, whose rights alone this process has, whatever started it."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    if os.geteuid() != 0:
        yield folder
        return
    os.chown(folder, _NOBODY, _NOBODY)
    for above in (tmp_path, *tmp_path.parents):
        if Path(gettempdir()) in above.parents:
            above.chmod(0o755)
    os.seteuid(_NOBODY)
    try:
        yield folder
    finally:
        os.seteuid(0)


async def test_a_folder_that_must_not_be_written(shop: Shop, as_nobody: Path) -> None:
    with pytest.raises(BackupFailed, match=r"Permission denied.*set BACKUP_WORK_FOLDER"):
        await made(shop, BACKUP_WORK_FOLDER="/usr/work")
    with pytest.raises(Unavailable, match=r"\(BACKUP_URL\) failed with .*Permission denied"):
        await made(shop, BACKUP_URL="/usr/backups", BACKUP_WORK_FOLDER=str(as_nobody))


async def test_one_database_that_fails_leaves_the_others_alone(shop: Shop) -> None:
    place = shop.place(BACKUP_DATABASES=f"nowhere,{shop.name}")

    created = await create_all(place)
    with pytest.raises(BackupFailed, match=r"1 of 2 databases: .*\"nowhere\" does not exist"):
        await store_all(place, created["backups"])

    assert {"nowhere"} == set(created["failed"])
    assert await newest_verified(place.files, shop.name)


async def test_at_the_command_line_it_is_one_line_without_a_password(
    shop: Shop, guarded: str
) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "deployments.cli", "ops", "backup", "now"),
        env=os.environ
        | shop.environment
        | {"DATABASE_URL": url_of(shop, guarded, "wrong-password")},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()

    assert 1 == process.returncode
    [line] = err.decode().splitlines()
    assert line.startswith(f"error: backing up {shop.name} at 127.0.0.1")
    assert line.endswith("correct the user and password in DATABASE_URL or BACKUP_DATABASES")
    assert "wrong-password" not in out.decode() + err.decode()
