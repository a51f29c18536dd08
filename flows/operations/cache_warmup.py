"""The flow `cache-warmup`."""

from collections.abc import Awaitable
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from blocks.contracts.events import JsonObject
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.operations.catalogue import CACHE_WARMUP
from blocks.operations import warmup
from flows.shared import artifacts, markdown
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
    return await _shown(warmup.warm_api(given.settings.operations.cache_warmup), "API")


async def warm_cms(given: Given) -> JsonObject:
    """Every page of the CMS was asked for."""
    return await _shown(warmup.warm_cms(given.settings.operations.cache_warmup), "CMS")


async def warm_session(given: Given) -> JsonObject:
    """Every page of sessions was asked for."""
    return await _shown(warmup.warm_session(given.settings.operations.cache_warmup), "sessions")


async def _shown(warming: Awaitable[JsonObject], of: str) -> JsonObject:
    """The result, whose pages are a table in Prefect, too."""
    result = await warming
    rows = [
        {
            "page": markdown.text(page["url"]),
            "took": f"{page['responseTime']} ms",
            "bytes": f"{page['bytes']:,}",
            "error": markdown.text(page.get("error", "")),
        }
        for page in result["details"]
    ]
    await artifacts.show([artifacts.table(rows, f"Pages of {of}")])
    return result
