"""The flow `database-backup` on the embedded stack and a real PostgreSQL."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.objects import FlowRun
from prefect.settings import PREFECT_API_URL, temporary_settings

from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.operations.catalogue import DATABASE_BACKUP
from blocks.contracts.records import ExecutionRecord
from blocks.operations.backups import backups, newest_verified
from blocks.ports import Query
from tests.support.notifications.comms_hub import CommsHub, comms_hub
from tests.support.operations.shop import TABLES, Shop
from tests.support.servers.prefect_server import PrefectServer
from tests.support.system.orchestra import Orchestra, whole_orchestra
from tests.support.waiting import eventually

pytestmark = pytest.mark.long

NAME = "database-backup/database-backup"


@pytest.fixture
def hub() -> Iterator[CommsHub]:
    with comms_hub() as hub:
        yield hub


@pytest.fixture
async def parts(
    tmp_path: Path, shop: Shop, hub: CommsHub, prefect_server: PrefectServer
) -> AsyncIterator[Orchestra]:
    async with whole_orchestra(
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
        yield parts


@pytest.fixture
async def prefect(prefect_server: PrefectServer) -> AsyncIterator[PrefectClient]:
    with temporary_settings({PREFECT_API_URL: prefect_server.api_url}):
        async with get_client() as client:
            yield client


async def requested(prefect: PrefectClient) -> FlowRun:
    deployment = await prefect.read_deployment_by_name(NAME)
    return await prefect.create_flow_run_from_deployment(deployment.id)


async def ended(parts: Orchestra, prefect: PrefectClient, run: FlowRun) -> FlowRun:
    async def has_ended() -> bool:
        state = (await prefect.read_flow_run(run.id)).state
        return bool(state and state.is_final())

    try:
        await eventually(has_ended, within_seconds=120, every_seconds=0.3)
    except AssertionError:
        raise AssertionError(parts.logs()) from None
    return await prefect.read_flow_run(run.id)


async def execution_of(parts: Orchestra, run: FlowRun) -> ExecutionRecord:
    query = Query(ExecutionRecord, {"workflow": DATABASE_BACKUP.id})
    page = await parts.store.query(SYSTEM_TENANT, query)
    [found] = [one.record for one in page.items if one.record.flow_run_id == str(run.id)]
    return found


async def test_a_run_leaves_a_verified_backup_its_figures_and_a_message(
    parts: Orchestra, prefect: PrefectClient, shop: Shop, hub: CommsHub
) -> None:
    parts.worker.start()

    run = await ended(parts, prefect, await requested(prefect))

    assert "Completed" == (run.state and run.state.name), parts.logs()
    newest = await newest_verified(shop.place().files, shop.name)
    assert newest
    results = (await execution_of(parts, run)).results or {}
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
    parts: Orchestra, prefect: PrefectClient, shop: Shop
) -> None:
    parts.api.start()
    parts.worker.start(FAULT_POINT="backup-uploaded")
    run = await requested(prefect)
    await parts.worker.died()
    assert await newest_verified(shop.place().files, shop.name) is None
    parts.another_worker.start()

    run = await ended(parts, prefect, run)

    assert "Completed" == (run.state and run.state.name), parts.logs()
    [backup] = [backup async for backup in backups(shop.place().files, shop.name)]
    assert backup.is_verified
    assert 2 == (await execution_of(parts, run)).attempt
    assert [] == await shop.scratch_databases()


async def test_a_database_that_cannot_be_dumped_fails_the_run_with_what_to_do(
    parts: Orchestra, prefect: PrefectClient, shop: Shop
) -> None:
    parts.worker.start(BACKUP_DATABASES=f"nowhere,{shop.name}")

    run = await ended(parts, prefect, await requested(prefect))

    execution = await execution_of(parts, run)
    assert ("failed", "upload-backup") == (execution.status, execution.failed_step)
    assert "correct the database's name in DATABASE_URL" in (execution.error or "")
    assert await newest_verified(shop.place().files, shop.name)
