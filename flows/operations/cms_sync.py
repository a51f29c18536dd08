"""The flow `cms-sync`."""

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from blocks.contracts.events import JsonObject
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.operations.catalogue import CMS_SYNC
from blocks.operations import cms, notifying
from blocks.operations.inputs import stated
from flows.shared import runtime
from flows.shared.operations import FLOW, Given, recorded_execution


@flow(name=CMS_SYNC.id, **FLOW)
async def cms_sync(
    tenant_id: str = SYSTEM_TENANT,
    execution_ids: list[str] = [],  # noqa: B006 - the form's default, which is only read
    input: dict[str, Any] = {},  # noqa: B006
) -> State[None]:
    """Fetch what has changed in the CMS, make it what readers see, notify of it.

    Args:
        tenant_id: Always the platform's own: operations belong to no tenant.
        execution_ids: For dispatchers, which name the recorded execution. Leave it empty to start
            one.
        input: `recipient` names another address to notify than the operators'.
    """
    async with recorded_execution(CMS_SYNC, tenant_id, execution_ids, input) as run:
        await run.step("fetch-cms", fetch_content)
        await run.step("update-cache", update_cache)
        await run.step("notify", notify_of_changes)
    return run.state


async def fetch_content(given: Given) -> JsonObject:
    """New content of the CMS lies beside what readers see."""
    context, settings = await runtime.get(), given.settings
    return await cms.fetch(context.store, settings.operations.cms_sync, cms.open_place(settings))


async def update_cache(given: Given) -> JsonObject:
    """Readers see what was fetched, and the core was asked for what it holds."""
    context, settings = await runtime.get(), given.settings
    return await cms.update_cache(
        context.store, settings.operations.cms_sync, cms.open_place(settings), given.input
    )


async def notify_of_changes(given: Given) -> JsonObject:
    """People are notified, if anything has changed."""
    context, news = await runtime.get(), cms.news_of(given.input)
    if news is None:
        return {"notified": False, "reason": "nothing has changed"}
    return await notifying.send(
        context.store,
        given.settings.notifications,
        news,
        key=f"cms-sync {given.input['fetchedAt']}",
        recipient=stated(given.input, "recipient"),
    )
