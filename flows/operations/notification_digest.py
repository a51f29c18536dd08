"""The flow `notification-digest`."""

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from blocks.contracts.events import JsonObject
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.operations.catalogue import NOTIFICATION_DIGEST
from blocks.operations import digest
from flows.shared import runtime
from flows.shared.operations import FLOW, Given, recorded_execution


@flow(name=NOTIFICATION_DIGEST.id, **FLOW)
async def notification_digest(
    tenant_id: str = SYSTEM_TENANT,
    execution_ids: list[str] = [],  # noqa: B006 - the form's default, which is only read
    input: dict[str, Any] = {},  # noqa: B006
) -> State[None]:
    """Send every user one mail with what they were notified of since the last digest.

    Args:
        tenant_id: Always the platform's own: operations belong to no tenant.
        execution_ids: For dispatchers, which name the recorded execution. Leave it empty to start
            one.
        input: What the steps are given besides the settings; the digest reads nothing of it.
    """
    async with recorded_execution(NOTIFICATION_DIGEST, tenant_id, execution_ids, input) as run:
        await run.step("collect-notifications", collect_notifications)
        await run.step("compile-digest", compile_digest)
        await run.step("send-emails", send_emails)
    return run.state


async def collect_notifications(given: Given) -> JsonObject:
    """The span that this digest covers is known."""
    context = await runtime.get()
    return await digest.collect(context.store, given.settings)


async def compile_digest(given: Given) -> JsonObject:
    """It is known who gets a digest."""
    context = await runtime.get()
    return await digest.compile_digests(context.store, given.settings, given.input)


async def send_emails(given: Given) -> JsonObject:
    """Every user has had the digest."""
    context = await runtime.get()
    return await digest.send_digests(context.store, given.settings, given.input)
