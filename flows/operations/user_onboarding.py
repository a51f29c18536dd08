"""The flow `user-onboarding`."""

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from blocks.contracts.events import JsonObject
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.operations.catalogue import USER_ONBOARDING
from blocks.operations import onboarding
from blocks.operations.onboarding import user_in
from flows.shared import runtime
from flows.shared.operations import FLOW, Given, recorded_execution


@flow(name=USER_ONBOARDING.id, **FLOW)
async def user_onboarding(
    tenant_id: str = SYSTEM_TENANT,
    execution_ids: list[str] = [],  # noqa: B006 - the form's default, which is only read
    input: dict[str, Any] = {},  # noqa: B006
) -> State[None]:
    """Welcome a new user, then have their defaults, role and workspace made; each once per user.

    Args:
        tenant_id: Always the platform's own: operations belong to no tenant.
        execution_ids: For dispatchers, which name the recorded execution. Leave it empty to start
            one.
        input: The user: `userId`, `email` and, if known, `name`.
    """
    async with recorded_execution(USER_ONBOARDING, tenant_id, execution_ids, input) as run:
        await run.step("send-welcome", send_welcome)
        await run.step("setup-defaults", setup_defaults)
        await run.step("assign-role", assign_role)
        await run.step("create-workspace", create_workspace)
    return run.state


async def send_welcome(given: Given) -> JsonObject:
    """The user has a welcome mail."""
    context, settings = await runtime.get(), given.settings
    part, notifications = settings.operations.user_onboarding, settings.notifications
    return await onboarding.send_welcome(context.store, part, notifications, user_in(given.input))


async def setup_defaults(given: Given) -> JsonObject:
    """The user has the platform's defaults."""
    context, part = await runtime.get(), given.settings.operations.user_onboarding
    return await onboarding.setup_defaults(context.store, part, user_in(given.input))


async def assign_role(given: Given) -> JsonObject:
    """The user has the role of new users."""
    context, part = await runtime.get(), given.settings.operations.user_onboarding
    return await onboarding.assign_role(context.store, part, user_in(given.input))


async def create_workspace(given: Given) -> JsonObject:
    """The user has a workspace."""
    context, part = await runtime.get(), given.settings.operations.user_onboarding
    return await onboarding.create_workspace(context.store, part, user_in(given.input))
