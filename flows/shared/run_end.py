"""The end of a flow run: the state that Prefect shows follows from the records, which are the
truth.
"""

import asyncio
from collections.abc import Iterable, Sequence

import prefect.runtime.flow_run
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.states import Failed

from blocks.adapters.prefect.retries import end_without_retry
from blocks.contracts.reading.uuids import canonical_uuid
from blocks.contracts.records import ExecutionRecord
from blocks.observability.plain_text import shortened
from blocks.ports import NotFound, RecordStore, Stored, UnreadableRecord
from blocks.ports.flow_runs import REFUSED
from flows.shared.outcomes import outcome_of, state_of
from flows.shared.run_report import report
from flows.shared.runtime import Runtime

MESSAGE_MAX = 1_000


class RunEnds(Exception):
    """The run has nothing to carry out and ends in this state."""

    def __init__(self, state: State[None]) -> None:
        super().__init__(state.message)
        self.state = state


def refused(reason: str) -> RunEnds:
    """The run fails for what it was started with, and holds no execution. The reason may quote it:
    it is shown on one plain line.
    """
    return RunEnds(Failed(name=REFUSED, message=shortened(reason, MESSAGE_MAX)))


async def end_of_run(
    context: Runtime,
    tenant_id: str,
    execution_ids: Sequence[str],
    held: Iterable[Stored[ExecutionRecord]],
    *,
    workflow: str,
) -> State[None]:
    """The state for what became of these executions, which the run also reports; `held` are those
    that it has claimed, as it last wrote them. What has not ended there is read again. An id that
    stands twice is one execution.
    """
    flow_run_id, ids = str(prefect.runtime.flow_run.id), list(dict.fromkeys(execution_ids))
    ended = {stored.record.id: stored.record for stored in held if stored.record.is_terminal}
    records = await asyncio.gather(*(_record(context.store, tenant_id, id, ended) for id in ids))
    await report(context, [one for one in records if isinstance(one, ExecutionRecord)])
    outcomes = [
        outcome_of(id, record, flow_run_id=flow_run_id, workflow=workflow)
        for id, record in zip(ids, records, strict=True)
    ]
    return await reported(state_of(outcomes))


async def reported(state: State[None]) -> State[None]:
    """The state, for the flow to return: Prefect does not try the run again for it, as it does
    after an exception.
    """
    context = FlowRunContext.get()
    if state.is_failed() and context and context.flow_run:
        assert isinstance(context.client, PrefectClient), "our flows are async"
        await end_without_retry(context.client, context.flow_run)
    return state


async def _record(
    store: RecordStore, tenant_id: str, id: str, ended: dict[str, ExecutionRecord]
) -> ExecutionRecord | UnreadableRecord | None:
    if id in ended or canonical_uuid(id) is None:
        return ended.get(id)
    try:
        return (await store.read(tenant_id, ExecutionRecord, id)).record
    except NotFound:
        return None
    except UnreadableRecord as error:  # what became of the others is known
        return error
