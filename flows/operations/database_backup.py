"""The flow `database-backup`."""

from typing import Any

import msgspec
from prefect import flow
from prefect.client.schemas.objects import State

from blocks.contracts.events import JsonObject
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.operations.catalogue import DATABASE_BACKUP
from blocks.operations import notifying
from blocks.operations.backups import clean_all, create_all, news_of, place_of, store_all
from blocks.operations.inputs import stated
from flows.shared import runtime
from flows.shared.operations import FLOW, Given, recorded_execution


@flow(name=DATABASE_BACKUP.id, **FLOW)
async def database_backup(
    tenant_id: str = SYSTEM_TENANT,
    execution_ids: list[str] = [],  # noqa: B006 - the form's default, which is only read
    input: dict[str, Any] = {},  # noqa: B006
) -> State[None]:
    """Dump the configured databases, upload the archives, prove that they can be restored, and
    delete what is too old.

    Args:
        tenant_id: Always the platform's own: operations belong to no tenant.
        execution_ids: For dispatchers, which name the recorded execution. Leave it empty to start
            one.
        input: `recipient` names another address to notify than the operators'.
    """
    async with recorded_execution(DATABASE_BACKUP, tenant_id, execution_ids, input) as run:
        await run.step("create-backup", create_backup)
        await run.step("upload-backup", upload_backup)
        await run.step("cleanup-old", cleanup_old)
        await run.step("notify", notify_of_backups)
    return run.state


async def create_backup(given: Given) -> JsonObject:
    """An archive of each database lies in the work folder, with a manifest of what it holds."""
    return await create_all(place_of(given.settings, given.report))


async def upload_backup(given: Given) -> JsonObject:
    """The archives are in the store, and what was uploaded was restored and compared."""
    place = place_of(given.settings, given.report)
    return await store_all(place, msgspec.convert(given.input["backups"], list[str]))


async def cleanup_old(given: Given) -> JsonObject:
    """Backups that are too old, and have a verified successor, are gone."""
    return await clean_all(place_of(given.settings))


async def notify_of_backups(given: Given) -> JsonObject:
    """People know what was backed up."""
    context, news = await runtime.get(), news_of(given.input)
    return await notifying.send(
        context.store,
        given.settings.notifications,
        news,
        key=f"database-backup {given.input['backupId']}",
        recipient=stated(given.input, "recipient"),
    )
