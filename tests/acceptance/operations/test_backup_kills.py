"""A backup killed at any moment: the old ones stay until a new one is verified, and the next run
leaves nothing of it behind.
"""

import asyncio
import os
import random
import sys
from contextlib import suppress
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from time import monotonic

import pytest

from blocks.clock import utc_now
from blocks.operations.backups import backup_name, backups, newest_verified, store, verify
from blocks.processes.fault_points import OF_A_BACKUP
from tests.support.operations.shop import Shop

pytestmark = pytest.mark.long

STAGES = ("counting", "dumping", "uploading", "downloading", "restoring", "comparing")
"""The lines of a run; killed at one, what it started goes on alone: `pg_dump`, `pg_restore`."""


KILLS = 12


async def an_old_backup(shop: Shop, days: int = 100) -> str:
    """Verified; after 100 days, to be deleted as soon as a newer one is verified."""
    name = backup_name(shop.name, utc_now() - timedelta(days=days))
    await store(shop.place(), shop.database, name)
    return name


async def started(shop: Shop, **environment: str) -> asyncio.subprocess.Process:
    return await command(shop, "now", **environment)


async def command(shop: Shop, *arguments: str, **environment: str) -> asyncio.subprocess.Process:
    """`orchestrator ops backup` with these arguments."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "deployments.cli", "ops", "backup", *arguments),
        env=os.environ | shop.environment | environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )


async def killed_when_it_says(shop: Shop, stage: str) -> None:
    process = await started(shop)
    assert process.stdout
    async for line in process.stdout:
        if f": {stage}" in line.decode():
            process.kill()
            break
    assert -9 == await process.wait()


async def run_to_its_end(shop: Shop) -> None:
    """Names have whole seconds: the next one must not be that of the killed run."""
    await asyncio.sleep(1)
    await done(await started(shop))


async def done(process: asyncio.subprocess.Process) -> None:
    output, _ = await process.communicate()
    assert 0 == process.returncode, output.decode()


async def names(shop: Shop) -> list[str]:
    return [backup.name async for backup in backups(shop.place().files, shop.name)]


def everything_below(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file() and path.name != "lock"]


async def nothing_is_left_behind(shop: Shop) -> None:
    [name] = await names(shop)
    store_of_it = Path(shop.environment["ORCHESTRATOR_DATA_DIR"]) / "backups"
    endings = (".dump", ".evidence.json", ".manifest.json")
    assert [f"{name}{ending}" for ending in endings] == sorted(everything_below(store_of_it))
    assert [] == everything_below(shop.place().work)
    assert [] == await shop.scratch_databases()


@pytest.mark.parametrize("point", OF_A_BACKUP)
async def test_killed_at_a_fault_point_a_verified_backup_is_there_and_the_next_run_cleans(
    shop: Shop, point: str
) -> None:
    old = await an_old_backup(shop)

    process = await started(shop, FAULT_POINT=point)
    output, _ = await process.communicate()
    assert -9 == process.returncode, output.decode()

    newest = await newest_verified(shop.place().files, shop.name)
    assert newest
    assert newest.name == old or point in ("backup-verified", "backup-deleting")
    assert (await verify(shop.place(), newest.name)).is_proof
    await run_to_its_end(shop)
    kept = await names(shop)
    assert old not in kept
    assert all([backup.is_verified async for backup in backups(shop.place().files, shop.name)])


async def test_killed_at_every_stage_the_old_backup_stays_as_it_was(shop: Shop) -> None:
    old = await an_old_backup(shop)
    for stage in STAGES:
        await killed_when_it_says(shop, stage)

        newest = await newest_verified(shop.place().files, shop.name)
        assert newest
        assert old == newest.name, stage

    assert (await verify(shop.place(), old)).is_proof
    await run_to_its_end(shop)
    await nothing_is_left_behind(shop)


async def killed_after(shop: Shop, seconds: float) -> bool:
    """False: it had ended by then."""
    process = await started(shop)
    with suppress(TimeoutError):
        await asyncio.wait_for(process.communicate(), timeout=seconds)
    with suppress(ProcessLookupError):
        process.kill()
    return -9 == await process.wait()


async def verified(shop: Shop) -> dict[str, dict[str, str]]:
    """The SHA-256 of each file of each verified backup."""
    folder = Path(shop.environment["ORCHESTRATOR_DATA_DIR"]) / "backups"
    return {
        backup.name: {
            path.name: sha256(path.read_bytes()).hexdigest()
            for path in folder.rglob(f"{backup.name}.*")
        }
        async for backup in backups(shop.place().files, shop.name)
        if backup.is_verified
    }


async def test_killed_at_any_moment_what_was_there_is_untouched_and_can_be_restored(
    shop: Shop,
) -> None:
    dice, copy = random.Random(seed := random.randrange(2**32)), f"{shop.name}_copy"
    began = monotonic()
    await done(await started(shop))
    whole, killed, old = monotonic() - began, 0, ""
    for number in range(KILLS):
        if old not in await names(shop):
            old = await an_old_backup(shop)
        before = await verified(shop)
        moment = whole * (number + dice.random()) / KILLS  # one in each twelfth of its time

        killed += await killed_after(shop, moment)

        after = await verified(shop)
        changed = {name for name, files in before.items() if after.get(name) != files}
        is_new = bool(after.keys() - before.keys())
        assert changed <= ({old} if is_new else set()), (seed, moment)
        newest = max(after)
        await done(await command(shop, "restore", newest, "--into", copy, "--replace"))
        assert [1_000] == await shop.query("SELECT count(*) FROM orders", copy), (seed, moment)

    assert killed >= KILLS / 3
    await run_to_its_end(shop)
    assert {*await names(shop)} == (await verified(shop)).keys()
    assert [] == await shop.scratch_databases()
