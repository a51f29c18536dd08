"""Dispatch is fair among tenants.

Pending executions wait in lanes, one per tenant and workflow. The dispatcher takes tenants in
turn, so one that sends a thousand events does not hold up one that sends a single event. A tenant
may have a weight, and more turns with it. What waits in one lane may share a flow run, a batch.
The dispatcher asks Prefect for the flow run, with the tenant's id and the execution ids as its
parameters.

Code: `listeners/dispatch/fair_queue.py` decides who is next, `listeners/dispatch/dispatcher.py`
asks.
"""

import asyncio

from blocks.contracts.analysis import WORKFLOW
from blocks.contracts.records import TenantShare
from blocks.processes.ending import ended
from listeners.dispatch.dispatcher import Dispatcher
from listeners.dispatch.fair_queue import FairQueue, Lane
from tests.support.dispatch import a_queue
from tests.support.factories import A_TENANT, ANOTHER_TENANT
from tests.support.flow_runs import RememberedFlowRuns
from tests.support.waiting import eventually

BUSY, QUIET = Lane(A_TENANT, WORKFLOW), Lane(ANOTHER_TENANT, WORKFLOW)


def turns(queue: FairQueue, *, busy: int, quiet: int, at_once: int = 1) -> list[list[str]]:
    """What each flow run gets, when so many executions of the two tenants have come."""
    for number in range(busy):
        queue.put(BUSY, f"busy-{number}")
    for number in range(quiet):
        queue.put(QUIET, f"quiet-{number}")
    return [
        [entry.execution_id for entry in entries]
        for _, entries in iter(lambda: queue.take(lambda lane: at_once), None)
    ]


def test_tenants_take_turns() -> None:
    in_turn = [["busy-0"], ["quiet-0"], ["busy-1"], ["busy-2"]]
    assert in_turn == turns(a_queue(), busy=3, quiet=1)


def test_a_tenant_of_twice_the_weight_gets_twice_as_much() -> None:
    queue = a_queue(tenants={A_TENANT: TenantShare(weight=2.0)})
    first_six = [execution_id for [execution_id] in turns(queue, busy=6, quiet=6)[:6]]
    assert 4 == sum(execution_id.startswith("busy") for execution_id in first_six)


def test_a_flow_run_carries_executions_of_one_tenant() -> None:
    in_twos = [["busy-0", "busy-1"], ["quiet-0", "quiet-1"], ["busy-2"]]
    assert in_twos == turns(a_queue(), busy=3, quiet=2, at_once=2)


async def test_prefect_is_asked_for_a_flow_run(
    dispatcher: Dispatcher,
    flow_runs: RememberedFlowRuns,
) -> None:
    async def is_started() -> bool:
        return flow_runs.started == [(A_TENANT, ["execution-1"])]

    running = asyncio.create_task(dispatcher.run())
    try:
        dispatcher.submit(BUSY, "execution-1")
        await eventually(is_started)
    finally:
        await ended(running)
