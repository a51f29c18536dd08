"""The flow `database-backup` on the embedded stack and a real PostgreSQL."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from blocks.contracts.operations.catalogue import DATABASE_BACKUP
from blocks.operations.backups import backups, newest_verified
from tests.support.notifications.comms_hub import CommsHub, comms_hub
from tests.support.operations.prefect_runs import ended, requested, run_by_hand
from tests.support.operations.shop import TABLES, Shop
from tests.support.servers.prefect_server import PrefectServer
from tests.support.system.orchestra import Orchestra, deploy_workflow, undeployed_orchestra

pytestmark = pytest.mark.long


@pytest.fixture
def hub() -> Iterator[CommsHub]:
    with comms_hub() as hub:
        yield hub


@pytest.fixture
async def parts(
    tmp_path: Path, shop: Shop, hub: CommsHub, prefect_server: PrefectServer
) -> AsyncIterator[Orchestra]:
    async with undeployed_orchestra(
        tmp_path,
        prefect_server,
        DATABASE_URL=shop.url,
        BACKUP_URL=f"{shop.environment['ORCHESTRATOR_DATA_DIR']}/backups",
        BACKUP_WORK_FOLDER=str(shop.place().work),
        COMMS_HUB_URL=hub.url,
        ALERT_EMAIL="operators@platform.example",
        RECONCILER_INTERVAL_SECONDS="1",
        PREFECT_WORKER_QUERY_SECONDS="0.5",
    ) as parts:
        name = DATABASE_BACKUP.id
        await deploy_workflow(parts.settings, prefect_server, parts.environment, name)
        yield parts


async def test_a_run_leaves_a_verified_backup_its_figures_and_a_message(
    parts: Orchestra, shop: Shop, hub: CommsHub
) -> None:
    parts.worker.start()

    execution = await run_by_hand(parts, DATABASE_BACKUP)

    assert "completed" == execution.status, parts.logs()
    newest = await newest_verified(shop.place().files, shop.name)
    assert newest
    results = execution.results or {}
    assert [newest.name] == results["create-backup"]["backups"]
    assert (1, [newest.name], sum(TABLES.values())) == (
        results["upload-backup"]["uploaded"],
        results["upload-backup"]["verified"],
        results["upload-backup"]["rows"],
    )
    assert (0, "30 days daily, 90 days weekly") == (
        results["cleanup-old"]["cleanedUp"],
        results["cleanup-old"]["retentionPolicy"],
    )
    [message] = hub.messages
    assert f"Backed up: {shop.name}" == message["subject"]
    assert newest.name in message["body"]


async def test_after_the_death_of_its_worker_in_the_upload_another_goes_on(
    parts: Orchestra, shop: Shop
) -> None:
    parts.api.start()
    parts.worker.start(FAULT_POINT="backup-uploaded")
    run = await requested(parts, DATABASE_BACKUP)
    await parts.worker.died()
    assert await newest_verified(shop.place().files, shop.name) is None
    parts.another_worker.start()

    execution = await ended(parts, DATABASE_BACKUP, run)

    assert ("completed", 2) == (execution.status, execution.attempt), parts.logs()
    [backup] = [backup async for backup in backups(shop.place().files, shop.name)]
    assert backup.is_verified
    assert [] == await shop.scratch_databases()


async def test_a_database_that_cannot_be_dumped_fails_the_run_with_what_to_do(
    parts: Orchestra, shop: Shop
) -> None:
    parts.worker.start(BACKUP_DATABASES=f"nowhere,{shop.name}")

    execution = await run_by_hand(parts, DATABASE_BACKUP)

    assert ("failed", "upload-backup") == (execution.status, execution.failed_step)
    assert "correct the database's name in DATABASE_URL" in (execution.error or "")
    assert await newest_verified(shop.place().files, shop.name)
