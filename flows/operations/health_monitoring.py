"""The flow `health-monitoring`."""

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from blocks.contracts.events import JsonObject
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.operations.catalogue import HEALTH_MONITORING
from blocks.operations import health
from flows.shared import runtime
from flows.shared.operations import FLOW, Given, recorded_execution


@flow(name=HEALTH_MONITORING.id, **FLOW)
async def health_monitoring(
    tenant_id: str = SYSTEM_TENANT,
    execution_ids: list[str] = [],  # noqa: B006 - the form's default, which is only read
    input: dict[str, Any] = {},  # noqa: B006
) -> State[None]:
    """Look at the platform's containers, endpoints and database; notify people of what is down.

    Args:
        tenant_id: Always the platform's own: operations belong to no tenant.
        execution_ids: For dispatchers, which name the recorded execution. Leave it empty to start
            one.
        input: What the steps are given besides the settings; health monitoring reads nothing of it.
    """
    async with recorded_execution(HEALTH_MONITORING, tenant_id, execution_ids, input) as run:
        await run.step("check-containers", check_containers)
        await run.step("check-services", check_services)
        await run.step("check-database", check_database)
        await run.step("aggregate-metrics", aggregate_metrics)
        await run.step("alert-if-needed", alert_if_needed)
    return run.state


async def check_containers(given: Given) -> JsonObject:
    """Every container that is meant to run was looked at."""
    return await health.check_containers(given.settings.operations.health_monitoring)


async def check_services(given: Given) -> JsonObject:
    """Every configured endpoint was asked."""
    return await health.check_endpoints(given.settings.operations.health_monitoring)


async def check_database(given: Given) -> JsonObject:
    """A connection to the database was made, or it is known why not."""
    return await health.check_database(given.settings.operations.health_monitoring)


async def aggregate_metrics(given: Given) -> JsonObject:
    """What the checks found, in sums."""
    return health.aggregate(given.input)


async def alert_if_needed(given: Given) -> JsonObject:
    """People know which parts are down, if these are others than they last knew."""
    context = await runtime.get()
    return await health.alert(context.store, given.settings, given.input)
