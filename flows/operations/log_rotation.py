"""The flow `log-rotation`."""

from functools import partial
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from blocks.contracts.events import JsonObject
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.operations.catalogue import LOG_ROTATION
from blocks.operations.log_files import compress_old, delete_old, rotate
from blocks.operations.work import in_thread
from flows.shared.operations import FLOW, Given, recorded_execution


@flow(name=LOG_ROTATION.id, **FLOW)
async def log_rotation(
    tenant_id: str = SYSTEM_TENANT,
    execution_ids: list[str] = [],  # noqa: B006 - the form's default, which is only read
    input: dict[str, Any] = {},  # noqa: B006
) -> State[None]:
    """Rotate the configured log files, compress what was rotated before, delete what is old.

    Args:
        tenant_id: Always the platform's own: operations belong to no tenant.
        execution_ids: For dispatchers, which name the recorded execution. Leave it empty to start
            one.
        input: What the steps are given besides the settings; log rotation reads nothing of it.
    """
    async with recorded_execution(LOG_ROTATION, tenant_id, execution_ids, input) as run:
        await run.step("rotate-logs", rotate_logs)
        await run.step("compress-old", compress_old_logs)
        await run.step("cleanup", delete_old_logs)
    return run.state


async def rotate_logs(given: Given) -> JsonObject:
    """Each log file that has content is renamed, and its writer is asked to open a new one."""
    return await in_thread(partial(rotate, given.settings.operations.log_rotation))


async def compress_old_logs(given: Given) -> JsonObject:
    """What was rotated, and is written no more, is compressed."""
    return await in_thread(partial(compress_old, given.settings.operations.log_rotation))


async def delete_old_logs(given: Given) -> JsonObject:
    """Rotated files that are too old, or too many, are gone."""
    return await in_thread(partial(delete_old, given.settings.operations.log_rotation))
