"""An execution read together with its steps, whatever its workflow."""

import asyncio

from api.executions.documents import Execution, document_of
from blocks.claims.steps import phase_steps
from blocks.contracts.records import ExecutionRecord
from blocks.executions.steps import step_records
from blocks.ports import RecordStore
from blocks.settings import Prefect


async def shown(store: RecordStore, execution: ExecutionRecord, prefect: Prefect) -> Execution:
    """With the records of its steps; a journey's are its phases."""
    steps, phases = await asyncio.gather(
        step_records(store, execution.tenant_id, [execution.id]), phase_steps(store, execution)
    )
    return document_of(execution, steps, prefect, phases)
