"""What became of one opportunity event of `A_TENANT`: its execution, as soon as it is where a test
wants it.
"""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

from blocks.adapters.prefect.flow_runs import PrefectFlowRuns
from blocks.contracts import ids
from blocks.contracts.analysis import WORKFLOW
from blocks.contracts.records import ExecutionRecord, ProcessRecord
from blocks.ports import Message, Query
from blocks.queries import every
from tests.support.factories import A_TENANT
from tests.support.system.analysis_services import opportunity_event
from tests.support.system.orchestra import Orchestra
from tests.support.waiting import T, eventually

Found = ExecutionRecord | None


def an_opportunity(**data: Any) -> Message:
    """An event of an opportunity of its own: a small deal, which asks no one, unless `data` states
    another.
    """
    return opportunity_event(
        A_TENANT, str(uuid4()), id=str(uuid4()), **{"metadata": {"amount": 1_000}, **data}
    )


def a_large_deal() -> Message:
    """An event whose analysis needs a person, where approvals are on."""
    return an_opportunity(metadata={"amount": 2_000_000})


def execution_id_of(event: Message) -> str:
    return ids.execution_id(A_TENANT, WORKFLOW, event.id)


async def dispatched(parts: Orchestra, flow_runs: PrefectFlowRuns, event: Message) -> str:
    """The flow run that carries its execution and that no worker has started."""

    async def is_scheduled() -> str | None:
        scheduled = await flow_runs.list_runs(states=("scheduled",))
        return next(
            (run.id for run in scheduled if execution_id_of(event) in run.execution_ids), None
        )

    return await seen(parts, is_scheduled)


async def find(parts: Orchestra, event: Message) -> Found:
    found = await parts.store.query(
        A_TENANT, Query(ExecutionRecord, {"id": execution_id_of(event)})
    )
    return found.items[0].record if found.items else None


async def recorded(parts: Orchestra, event: Message, *statuses: str) -> ExecutionRecord:
    """The execution, as soon as there is one, in one of these statuses if any are named."""

    async def is_there() -> Found:
        record = await find(parts, event)
        return record if record and (not statuses or record.status in statuses) else None

    return await seen(parts, is_there)


async def gated(
    parts: Orchestra,
    flow_runs: PrefectFlowRuns,
    event: Message,
    *,
    not_in: str | None = None,
    within_seconds: float = 60,
) -> ExecutionRecord:
    """The execution, once it awaits a person and its flow run, another one than `not_in`, is
    suspended and can be resumed.
    """

    async def is_suspended() -> Found:
        record = await find(parts, event)
        if record is None or record.status != "awaiting_approval":
            return None
        if record.flow_run_id == not_in:
            return None
        paused = {run.id for run in await flow_runs.list_runs(states=("paused",))}
        return record if record.flow_run_id in paused else None

    execution = await seen(parts, is_suspended, within_seconds=within_seconds)
    await _let_go(parts, execution)
    return execution


async def _let_go(parts: Orchestra, execution: ExecutionRecord) -> None:
    """No worker holds its flow run any more: what Prefect stores just after a suspension, the form,
    is there, too.
    """

    async def is_let_go() -> bool:
        processes = [
            stored.record async for stored in every(parts.store, ids.SYSTEM_TENANT, ProcessRecord)
        ]
        return all(execution.flow_run_id not in process.flow_run_ids for process in processes)

    await seen(parts, is_let_go)


async def ended(parts: Orchestra, event: Message, *, within_seconds: float = 60) -> ExecutionRecord:
    """The execution, once it has ended and its end has been announced."""

    async def is_announced() -> Found:
        record = await find(parts, event)
        return record if record and record.announced_at else None

    return await seen(parts, is_announced, within_seconds=within_seconds)


async def seen(
    parts: Orchestra, look: Callable[[], Awaitable[T | None]], *, within_seconds: float = 60
) -> T:
    """What `look` returns as soon as that is true; fails with the ends of the processes' logs."""
    try:
        found = await eventually(look, within_seconds=within_seconds)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{parts.logs()}") from None
    assert found
    return found
