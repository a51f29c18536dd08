"""The flow `claim-recovery`."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

import prefect.runtime.flow_run
from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext

from blocks.actions.failing import fail_execution
from blocks.contracts import rejections
from blocks.contracts.claims.phases import PHASES, WORKFLOW
from blocks.contracts.claims.workflow import journey_input
from blocks.contracts.records.claims import PhaseRecord
from blocks.observability.plain_text import shortened
from blocks.ports import NotFound, Stale, Unavailable, UnreadableRecord
from flows.claims.journey_run import JourneyRun
from flows.claims.parts import Parts, open_parts
from flows.claims.phases import Done
from flows.shared import runtime
from flows.shared.artifacts import LIMIT_SECONDS
from flows.shared.claims import claim_all, newest, notify_started
from flows.shared.run_end import end_of_run
from flows.shared.runtime import Runtime

JOURNEYS_AT_ONCE = 20
"""Of one flow run: the others wait, so that a backlog opens no hundreds of connections."""

RETRY_SECONDS = (5.0, 5.0, 5.0)
"""Pauses before a journey is tried again that an error has ended, as those of the flow."""

_TAG_MAX = 100

log = logging.getLogger(__name__)


@flow(name=WORKFLOW, retries=3, retry_delay_seconds=5, persist_result=False)
async def claim_recovery(tenant_id: str, execution_ids: list[str]) -> State[None]:
    """Carry journeys of one tenant: their due phases, until each waits for a trigger or has ended.

    Args:
        tenant_id: Whose journeys they are: the tenant's id, a UUID.
        execution_ids: Journeys with something to do, as dispatchers list them. A phase's trigger
            opens one: POST /api/v1/workflow/phase/{n}.
    """
    context, run_id = await runtime.get(), str(prefect.runtime.flow_run.id)
    claimed = await claim_all(context, tenant_id, execution_ids, run_id, workflow=WORKFLOW)
    await notify_started(context, run_id)
    async with open_parts(context) as parts:
        doing = _shown if len(claimed) == 1 else _plainly
        journeys = [JourneyRun(parts, stored, doing) for stored in claimed]
        await _tag(journeys)
        await carry_all(parts, journeys)
    held = [journey.stored for journey in journeys]
    return await end_of_run(context, tenant_id, execution_ids, held, workflow=WORKFLOW)


async def carry_all(parts: Parts, journeys: list[JourneyRun]) -> None:
    """All of them, some at once. What is wrong with one ends that one alone; a part that is gone,
    which is wrong with all, is raised when the others are through.
    """
    turn = asyncio.Semaphore(JOURNEYS_AT_ONCE)

    async def carry(journey: JourneyRun) -> None:
        async with turn:
            with parts.context.expecting([journey.id], journey):
                await _carry(parts.context, journey)

    outcomes = await asyncio.gather(*map(carry, journeys), return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome


async def _carry(context: Runtime, journey: JourneyRun) -> None:
    """Tried as often as a run would be, and then it has failed. Raises `Unavailable`."""
    for pause in (*RETRY_SECONDS, None):
        try:
            return await journey.carry()
        except Unavailable:
            raise
        except Exception as error:
            if pause is None or isinstance(error, UnreadableRecord):
                log.exception("journey %s cannot be carried on", journey.id)
                return await _fail(context, journey, f"{type(error).__name__}: {error}")
            log.warning("journey %s is tried again in %g s: %r", journey.id, pause, error)
            await asyncio.sleep(pause)
    return None


async def _fail(context: Runtime, journey: JourneyRun, error: str) -> None:
    with suppress(Stale, NotFound, UnreadableRecord):  # then it is not this run's any more
        held = await newest(context.store, journey.stored)
        await fail_execution(context.store, context.bus, held, rejections.RUN_FAILED, error)


async def _plainly(record: PhaseRecord, work: Callable[[], Awaitable[Done]]) -> Done:
    """In a run of several journeys: a task for each phase of each would cost Prefect's server more
    than the work.
    """
    return await work()


async def _shown(record: PhaseRecord, work: Callable[[], Awaitable[Done]]) -> Done:
    """As a task, so that an operator sees which phase of which claim takes how long."""
    claim = f" ({shortened(record.trigger.claim_id, 60)})" if record.trigger.claim_id else ""
    title = f"{PHASES[record.phase].title}{claim}"
    # As a text, Prefect would read braces in the id of a claim as fields.
    named = do_phase.with_options(name=f"phase-{record.phase}", task_run_name=lambda: title)
    return await named(work)


@task(cache_policy=NO_CACHE, persist_result=False)
async def do_phase(work: Callable[[], Awaitable[Done]]) -> Done:
    """One attempt; the services' clients have retries of their own."""
    return await work()


async def _tag(journeys: list[JourneyRun]) -> None:
    """A run of one journey can be found by its user and its sync."""
    context = FlowRunContext.get()
    if len(journeys) != 1 or context is None or context.flow_run is None:
        return
    of = journey_input(journeys[0].stored.record)
    tags = {f"user:{of.user_id[:_TAG_MAX]}", f"sync:{of.sync_id[:_TAG_MAX]}"}
    if tags <= set(context.flow_run.tags):
        return
    assert isinstance(context.client, PrefectClient), "our flows are async"
    with suppress(Exception):  # tags are for the eye: the journey goes on without them
        async with asyncio.timeout(LIMIT_SECONDS):
            await context.client.update_flow_run(
                context.flow_run.id, tags={*context.flow_run.tags, *tags}
            )
