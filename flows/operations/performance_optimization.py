"""The flow `performance-optimization`."""

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from blocks.contracts.events import JsonObject
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.operations.catalogue import PERFORMANCE_OPTIMIZATION
from blocks.operations import performance
from flows.shared.operations import FLOW, Given, recorded_execution


@flow(name=PERFORMANCE_OPTIMIZATION.id, **FLOW)
async def performance_optimization(
    tenant_id: str = SYSTEM_TENANT,
    execution_ids: list[str] = [],  # noqa: B006 - the form's default, which is only read
    input: dict[str, Any] = {},  # noqa: B006
) -> State[None]:
    """Measure the machine, PostgreSQL and Redis; purge and vacuum what the settings allow.

    Args:
        tenant_id: Always the platform's own: operations belong to no tenant.
        execution_ids: For dispatchers, which name the recorded execution. Leave it empty to start
            one.
        input: What the steps are given besides the settings; they read nothing of it.
    """
    async with recorded_execution(PERFORMANCE_OPTIMIZATION, tenant_id, execution_ids, input) as run:
        await run.step("analyze-metrics", analyze_metrics)
        await run.step("optimize-memory", optimize_memory)
        await run.step("optimize-db", optimize_db)
    return run.state


async def analyze_metrics(given: Given) -> JsonObject:
    """Figures are read, and nothing is changed."""
    return await performance.measure(given.settings)


async def optimize_memory(given: Given) -> JsonObject:
    """The worker's garbage is collected if memory is short; Redis keys that may be deleted are, if
    Redis uses too much.
    """
    part = given.settings.operations.performance_optimization
    return await performance.free_memory(part, given.input)


async def optimize_db(given: Given) -> JsonObject:
    """Tables that may be vacuumed are, if they have too many dead rows."""
    return await performance.vacuum(given.settings.operations.performance_optimization)
