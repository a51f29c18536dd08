"""The flow `notification-digest`."""

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from blocks.contracts.events import JsonObject
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.operations.catalogue import NOTIFICATION_DIGEST
from blocks.operations import digests
from flows.shared import runtime
from flows.shared.operations import FLOW, Given, recorded_execution


@flow(name=NOTIFICATION_DIGEST.id, **FLOW)
async def notification_digest(
    tenant_id: str = SYSTEM_TENANT,
    execution_ids: list[str] = [],  # noqa: B006 - the form's default, which is only read
    input: dict[str, Any] = {},  # noqa: B006
) -> State[None]:
    """Collect what happened since the last digest, compile a mail for each user, send them.

    Args:
        tenant_id: Always the platform's own: operations belong to no tenant.
        execution_ids: For dispatchers, which name the recorded execution. Leave it empty to start
            one.
        input: What the steps are given besides the settings; the digest reads nothing of it.
    """
    async with recorded_execution(NOTIFICATION_DIGEST, tenant_id, execution_ids, input) as run:
        await run.step("collect-notifications", collect)
        await run.step("compile-digest", compile_mails)
        await run.step("send-emails", send_mails)
    return run.state


async def collect(given: Given) -> JsonObject:
    """What happened since the last digest, by address."""
    context = await runtime.get()
    return await digests.collect(context.store, given.settings)


async def compile_mails(given: Given) -> JsonObject:
    """Each address has its mail."""
    context = await runtime.get()
    return await digests.compile_all(context.store, given.input)


async def send_mails(given: Given) -> JsonObject:
    """The mails are sent, each once."""
    context = await runtime.get()
    return await digests.send_all(context.store, given.settings.notifications, given.input)
