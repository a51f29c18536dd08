"""Cancelling from a terminal."""

from blocks.cancelling import cancel_execution
from blocks.contracts.records import ExecutionRecord
from blocks.ports import NotFound
from blocks.services import open_bus, open_store
from blocks.settings import load_settings
from deployments.prefect_server import use_prefect


async def cancel(tenant_id: str, execution_id: str, reason: str) -> ExecutionRecord:
    """The execution is cancelled. Raises `NotFound` with a readable message, `InvalidTransition` if it has ended."""
    settings = use_prefect(load_settings())

    from blocks.prefect_flow_runs import PrefectFlowRuns  # after the environment says where Prefect is

    async with (
        open_store(settings) as store,
        open_bus(settings, "cli") as bus,
        PrefectFlowRuns(settings.prefect.api_url) as flow_runs,
    ):
        try:
            return await cancel_execution(store, bus, flow_runs, tenant_id, execution_id, reason)
        except NotFound:
            raise NotFound(f"tenant {tenant_id} has no execution {execution_id}") from None
