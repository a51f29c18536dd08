"""Backups of a real PostgreSQL: what they hold, how they are proven, what is deleted."""

import asyncio
import json
import shutil
import sys
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from blocks.clock import utc_now
from blocks.files import FileMissing
from blocks.operations.backups import (
    BackupFailed,
    Evidence,
    NotVerified,
    Place,
    backup_name,
    backups,
    clean,
    create,
    newest_verified,
    store,
    verify,
)
from blocks.operations.backups.catalogue import archive_key, read_evidence, read_manifest
from blocks.operations.backups.connections import sole_backup
from blocks.operations.backups.scratch import scratch_database
from tests.support.operations.shop import TABLES, Shop

pytestmark = pytest.mark.long


async def back_up(shop: Shop, place: Place | None = None, *, days_ago: float = 0) -> Evidence:
    place, database = place or shop.place(), shop.database
    name = backup_name(database.name, utc_now() - timedelta(days=days_ago))
    await create(place, database, name)
    return await store(place, database, name)


async def test_a_backup_is_restored_and_compared_before_it_counts(shop: Shop) -> None:
    evidence = await back_up(shop)

    manifest = await read_manifest(shop.place().files, evidence.name)
    assert TABLES == manifest.rows
    assert (4, sum(TABLES.values()), []) == (evidence.tables, evidence.rows, evidence.differences)
    newest = await newest_verified(shop.place().files, shop.name)
    assert newest
    assert evidence == newest.evidence
    assert [] == await shop.scratch_databases()


async def test_the_manifest_is_of_the_snapshot_of_the_dump_while_others_write(shop: Shop) -> None:
    async def write() -> None:
        async with shop.connection() as connection:
            for number in range(10_000, 10_000_000):
                await connection.execute("INSERT INTO orders VALUES ($1, 'new')", number)

    writing = asyncio.create_task(write())
    try:
        first, second = await back_up(shop, days_ago=1), await back_up(shop)
    finally:
        writing.cancel()

    assert ([], []) == (first.differences, second.differences)
    assert first.rows < second.rows


async def test_the_password_stands_on_no_command_line_and_in_no_log(
    shop: Shop, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    programs, seen = tmp_path / "programs", tmp_path / "seen"
    programs.mkdir()
    for name in ("pg_dump", "pg_restore"):
        script = f'#!/bin/sh\ntr "\\0" " " </proc/$$/cmdline >>{seen}\nexec /usr/bin/{name} "$@"\n'
        (programs / name).write_text(script)
        (programs / name).chmod(0o755)
    secret = "correct-horse-battery"
    url = shop.url.replace("postgres:postgres@", f"postgres:{secret}@")
    lines: list[str] = []

    place = shop.place(DATABASE_URL=url, BACKUP_PROGRAMS_FOLDER=str(programs))
    await back_up(shop, msgspec.structs.replace(place, report=lines.append))

    assert seen.read_text().count("--file=") == 1
    assert seen.read_text().count("--exit-on-error") == 1
    assert secret not in seen.read_text() + caplog.text + "".join(lines) + repr(place)


async def test_an_archive_that_was_changed_is_not_verified_any_more(shop: Shop) -> None:
    evidence = await back_up(shop)
    path = archive_path(shop, evidence.name)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)

    with pytest.raises(NotVerified, match="SHA-256"):
        await verify(shop.place(), evidence.name)

    assert await newest_verified(shop.place().files, shop.name) is None


async def test_a_restored_copy_that_lacks_rows_is_not_verified(shop: Shop) -> None:
    evidence = await back_up(shop)
    path = archive_path(shop, evidence.name).with_suffix(".manifest.json")
    manifest = json.loads(path.read_text())
    manifest["rows"] |= {"public.orders": 1_001, "public.lost": 7}
    path.write_text(json.dumps(manifest))

    with pytest.raises(NotVerified, match=r"public\.lost is missing"):
        await verify(shop.place(), evidence.name)

    known = await read_evidence(shop.place().files, evidence.name)
    assert known
    assert [
        "public.lost is missing",
        "public.orders has 1000 rows instead of 1001",
    ] == known.differences
    assert [] == await shop.scratch_databases()


async def test_an_archive_that_cannot_be_restored_leaves_no_scratch_database(shop: Shop) -> None:
    place, name = shop.place(), backup_name(shop.name, utc_now())
    await shop.query(
        "CREATE FUNCTION broken() RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT count(*)::int "
        "FROM orders'"
    )
    # a check that calls a table which is restored later: pg_restore fails, and it must be seen
    await shop.query("ALTER TABLE empty ADD COLUMN n int CHECK (n < broken())")
    await shop.query("INSERT INTO empty VALUES (1)")
    await create(place, shop.database, name)

    with pytest.raises(BackupFailed, match="the verification of"):
        await store(place, shop.database, name)

    assert await newest_verified(place.files, shop.name) is None
    assert [] == await shop.scratch_databases()


async def test_a_scratch_database_whose_process_was_killed_is_dropped_by_the_next(
    shop: Shop,
) -> None:
    program = f"""
import asyncio, os, signal
from blocks.operations.backups.scratch import scratch_database
from blocks.operations.backups import place_of
from blocks.settings import load_settings

async def main():
    database = place_of(load_settings({shop.environment!r})).databases[0]
    async with scratch_database(database, "UTF8", "a test"):
        os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""
    killed = await asyncio.create_subprocess_exec(sys.executable, "-c", program)
    assert -9 == await killed.wait()
    [left] = await shop.scratch_databases()

    async with scratch_database(shop.database, "UTF8", "a test") as scratch:
        assert [scratch.name] == await shop.scratch_databases()
        async with scratch_database(shop.database, "UTF8", "a test") as another:
            both = await shop.scratch_databases()

    assert left not in both
    assert sorted([scratch.name, another.name]) == sorted(both)


async def test_what_is_too_old_goes_only_when_a_newer_one_is_verified(shop: Shop) -> None:
    place, old = shop.place(), await back_up(shop, days_ago=120)
    new = await back_up(shop)
    proof = archive_path(shop, new.name).with_suffix(".evidence.json")
    content = proof.read_bytes()

    proof.unlink()
    assert [] == (await clean(place, shop.database)).expired
    proof.write_bytes(content)
    assert [old.name] == (await clean(place, shop.database)).expired

    assert [new.name] == [backup.name async for backup in backups(place.files, shop.name)]


async def test_only_one_process_works_on_the_backups_of_a_database(shop: Shop) -> None:
    place = shop.place()
    async with sole_backup(shop.database):
        with pytest.raises(BackupFailed, match="under way in another process"):
            await create(place, shop.database, backup_name(shop.name, utc_now()))

    assert (await back_up(shop)).is_proof


async def test_a_dump_that_was_lost_before_its_upload_is_made_again(shop: Shop) -> None:
    place, name = shop.place(), backup_name(shop.name, utc_now())
    await create(place, shop.database, name)
    shutil.rmtree(place.work)

    assert (await store(place, shop.database, name)).is_proof


async def test_a_verified_backup_is_stored_no_second_time(shop: Shop) -> None:
    evidence = await back_up(shop)

    assert evidence == await store(shop.place(), shop.database, evidence.name)


async def test_archives_and_folders_are_for_their_owner_alone(shop: Shop) -> None:
    evidence = await back_up(shop)

    path = archive_path(shop, evidence.name)
    assert (0o600, 0o700) == (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777)


async def test_a_missing_archive_cannot_be_verified(shop: Shop) -> None:
    evidence = await back_up(shop)
    await shop.place().files.delete(archive_key(evidence.name))

    with pytest.raises(BackupFailed, match="not in the store"):
        await verify(shop.place(), evidence.name)
    with pytest.raises(FileMissing):
        await shop.place().files.read(archive_key(evidence.name))
    assert await newest_verified(shop.place().files, shop.name) is None


def archive_path(shop: Shop, name: str) -> Path:
    data = Path(shop.environment["ORCHESTRATOR_DATA_DIR"])
    path = data / "backups" / archive_key(name)
    assert path.exists()
    return path
