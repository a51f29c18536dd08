"""The frame of every operation's flow: an execution claimed at its start, ended and reported at its
end.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import prefect.runtime.flow_run
from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed
from prefect.task_engine import TaskRunTimeoutError

from blocks.contracts import rejections
from blocks.contracts.events import JsonObject
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.operations import Operation, Step
from blocks.observability.plain_text import shortened
from blocks.observability.redaction import redacted
from blocks.operations.work import NotConfigured
from blocks.ports import Stale
from flows.shared import runtime
from flows.shared.claims import claim_all, notify_started
from flows.shared.operations import step_tables
from flows.shared.operations.opening import SKIPPED, execution_of_run
from flows.shared.operations.operation_run import Failed, OperationRun, Outcome, Over, Skipped, Work
from flows.shared.requested import Requested, retried_by_hand
from flows.shared.run_end import RunEnds, end_of_run, refused, reported
from flows.shared.run_progress import shown_progress
from flows.shared.runtime import Runtime

log = logging.getLogger(__name__)

FLOW: dict[str, Any] = {"retries": 3, "retry_delay_seconds": 5, "persist_result": False}
"""Options of every operation's flow. Its own tries are for parts of this system that are away; what
a step works on has the attempts of the step.
"""

_ERROR_MAX = 1_000


@asynccontextmanager
async def recorded_execution(
    operation: Operation, tenant_id: str, execution_ids: list[str], input: JsonObject
) -> AsyncIterator["RecordedExecution"]:
    """While this lasts, the flow has an execution of the operation in hand; at its end the record
    is completed or failed, announced and reported, and `state` is what the flow returns.

    Raises `Unavailable` when a part does not answer: Prefect runs the flow again, from its top.
    """
    context = await runtime.get()
    try:
        run = await _claimed(context, operation, tenant_id, execution_ids, input)
    except RunEnds as end:
        with suppress(Over):
            yield RecordedExecution(None, await reported(end.state))
        return
    recorded = RecordedExecution(run, Completed())
    try:
        with context.expecting([run.id], run):
            await run.begin()
            async with shown_progress(
                lambda: len(operation.steps), lambda: len(run.steps), lambda: run.doing
            ):
                yield recorded
            await run.complete()
    except Over:
        log.info("execution %s has failed", run.id)
    except Stale as taken:
        log.info("execution %s is left: %s", run.id, taken)
    state = await end_of_run(context, SYSTEM_TENANT, [run.id], [run.stored], workflow=operation.id)
    recorded.state = _nothing_done(run) or state


class RecordedExecution:
    """What the flow has in hand: an execution, or none. `state`: that in which it ends."""

    def __init__(self, run: OperationRun | None, state: State[None]) -> None:
        self.state = state
        self._run = run

    async def step(self, id: str, work: Work) -> JsonObject:
        """The step's result, recorded; of one that was skipped, the reason.

        A step that fails leaves the `async with`, and so does any of a flow with nothing in hand.
        """
        if self._run is None:
            raise Over
        return await self._run.step(id, work)


async def _claimed(
    context: Runtime,
    operation: Operation,
    tenant_id: str,
    execution_ids: list[str],
    input: JsonObject,
) -> OperationRun:
    """Raises `RunEnds` when the execution is not this run's to do."""
    if tenant_id != SYSTEM_TENANT:
        raise refused(f"operations are the platform's: tenant_id is {SYSTEM_TENANT}")
    execution_id = await execution_of_run(context, operation, execution_ids, input)
    await retried_by_hand(context, Requested(tenant_id=SYSTEM_TENANT, execution_ids=[execution_id]))
    flow_run_id = str(prefect.runtime.flow_run.id)
    claimed = await claim_all(
        context, SYSTEM_TENANT, [execution_id], flow_run_id, workflow=operation.id
    )
    await notify_started(context, flow_run_id)
    if not claimed:
        raise RunEnds(
            await end_of_run(context, SYSTEM_TENANT, [execution_id], [], workflow=operation.id)
        )
    return OperationRun(context, operation, claimed[0], as_task)


async def as_task(
    operation: Operation, step: Step, work: Callable[[], Awaitable[JsonObject]]
) -> Outcome:
    """In Prefect the step is a task with the operation's attempts and the step's limit; what it did
    row by row is a table on the page of the run.
    """
    reasons: list[str] = []

    async def attempt() -> JsonObject | State[None]:
        try:
            return await work()
        except NotConfigured as reason:  # no error, and no reason to try again
            reasons.append(str(reason))
            return Completed(name=SKIPPED, message=str(reason))

    named = do_step.with_options(
        name=step.id,
        task_run_name=step.title,
        retries=operation.attempts - 1,
        retry_delay_seconds=operation.retry_delays_seconds,
        timeout_seconds=step.limit_seconds,
    )
    try:
        result: JsonObject = await named(attempt)
    except TaskRunTimeoutError:
        error = f"it was not done within {step.limit_seconds:g} s"
        return Failed(error, rejections.STEP_TIMEOUT)
    except Exception as failure:  # of any kind: that is what a step may do
        error = redacted(str(failure) or type(failure).__name__)
        return Failed(shortened(error, _ERROR_MAX))
    if reasons:
        return Skipped(reasons[-1])
    await step_tables.show(operation, step, result)
    return result


@task(cache_policy=NO_CACHE, persist_result=False)
async def do_step(attempt: Callable[[], Awaitable[Any]]) -> Any:
    """One attempt."""
    return await attempt()


def _nothing_done(run: OperationRun) -> State[None] | None:
    """The state of a run whose every step was skipped."""
    if not run.reasons_to_skip:
        return None
    reasons = "; ".join(f"{step}: {reason}" for step, reason in run.reasons_to_skip.items())
    return Completed(name=SKIPPED, message=f"nothing was done: {shortened(reasons, _ERROR_MAX)}")
