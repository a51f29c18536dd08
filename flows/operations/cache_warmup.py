"""The flow `cache-warmup`."""

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from blocks.contracts.events import JsonObject
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.operations.catalogue import CACHE_WARMUP
from blocks.operations import warmup
from flows.shared.operations import FLOW, Given, recorded_execution


@flow(name=CACHE_WARMUP.id, **FLOW)
async def cache_warmup(
    tenant_id: str = SYSTEM_TENANT,
    execution_ids: list[str] = [],  # noqa: B006 - the form's default, which is only read
    input: dict[str, Any] = {},  # noqa: B006
) -> State[None]:
    """Ask for the configured pages of API, CMS and sessions, so that caches on the way hold them.

    Args:
        tenant_id: Always the platform's own: operations belong to no tenant.
        execution_ids: For dispatchers, which name the recorded execution. Leave it empty to start
            one.
        input: What the steps are given besides the settings; cache warm-up reads nothing of it.
    """
    async with recorded_execution(CACHE_WARMUP, tenant_id, execution_ids, input) as run:
        await run.step("warmup-api", warm_api)
        await run.step("warmup-cms", warm_cms)
        await run.step("warmup-session", warm_session)
    return run.state


async def warm_api(given: Given) -> JsonObject:
    """Every page of the API was asked for."""
    return await warmup.warm_api(given.settings.operations.cache_warmup)


async def warm_cms(given: Given) -> JsonObject:
    """Every page of the CMS was asked for."""
    return await warmup.warm_cms(given.settings.operations.cache_warmup)


async def warm_session(given: Given) -> JsonObject:
    """Every page of sessions was asked for."""
    return await warmup.warm_session(given.settings.operations.cache_warmup)
