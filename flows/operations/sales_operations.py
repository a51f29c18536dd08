"""The flow `sales-operations`."""

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from blocks.clock import utc_now
from blocks.contracts.events import JsonObject
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.operations.catalogue import SALES_OPERATIONS
from blocks.operations import sales
from flows.shared import runtime
from flows.shared.operations import FLOW, Given, recorded_execution


@flow(name=SALES_OPERATIONS.id, **FLOW)
async def sales_operations(
    tenant_id: str = SYSTEM_TENANT,
    execution_ids: list[str] = [],  # noqa: B006 - the form's default, which is only read
    input: dict[str, Any] = {},  # noqa: B006
) -> State[None]:
    """Have sales analysed and leads qualified, watch due dates, send a report of it.

    Args:
        tenant_id: Always the platform's own: operations belong to no tenant.
        execution_ids: For dispatchers, which name the recorded execution. Leave it empty to start
            one.
        input: What the steps are given besides the settings; an event brings its lead.
    """
    async with recorded_execution(SALES_OPERATIONS, tenant_id, execution_ids, input) as run:
        await run.step("business-intel", analyse)
        await run.step("lead-qualification", qualify_leads)
        await run.step("ops-monitoring", monitor_operations)
        await run.step("email-notifications", send_report)
    return run.state


async def analyse(given: Given) -> JsonObject:
    """How sales stand, with what the AI workflow adds."""
    context, part = await runtime.get(), given.settings.operations.sales_operations
    today = utc_now().date()
    return await sales.analyse(context.store, part, given.execution_id, given.input, today)


async def qualify_leads(given: Given) -> JsonObject:
    """The CRM has what the AI workflow found about each lead."""
    context, part = await runtime.get(), given.settings.operations.sales_operations
    return await sales.qualify_leads(context.store, part, given.execution_id, given.input)


async def monitor_operations(given: Given) -> JsonObject:
    """Whether opportunities are closed when they should be."""
    part = given.settings.operations.sales_operations
    return await sales.monitor_operations(part, utc_now().date())


async def send_report(given: Given) -> JsonObject:
    """People have the results."""
    context = await runtime.get()
    return await sales.send_report(context.store, given.settings, given.execution_id, given.input)
