"""All that RabbitMQ kept is gone, in the middle of executions: queues, bindings, messages; and once
with it Prefect's database.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from blocks.adapters.prefect.flow_runs import PrefectFlowRuns
from blocks.clock import utc_now
from blocks.contracts import ids
from blocks.contracts.jobs import JOB_BY_ID
from blocks.contracts.records import ExecutionRecord
from blocks.jobs import triggers
from blocks.topology import intake_queue
from tests.acceptance.failures.disasters.droppable import DroppablePrefect
from tests.acceptance.failures.disasters.scene import (
    all_are,
    all_suspended,
    approval_id_of,
    approve,
    in_words,
    orchestrator,
)
from tests.support.analyses import a_large_deal, an_opportunity, execution_id_of, seen
from tests.support.servers.rabbitmq import RabbitMQNode
from tests.support.system.analysis_services import services_on
from tests.support.system.invariants import done_once
from tests.support.system.ledger import Ledger
from tests.support.system.orchestra import Orchestra, on_rabbitmq, whole_orchestra

pytestmark = pytest.mark.long

SUSPENDED, RUNNING, ENDED, UNTAKEN = 10, 100, 40, 50
"""Executions that await a person; whose requests lie in the services' queue; that have ended, which
no one has heard of yet; and events that no listener has taken in.
"""

OPERATIONS_OFF = {"OPERATIONS_ENABLED": "false", "BATCH_JOBS_ENABLED": "false"}


@pytest.fixture
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQNode]:
    """A node of the test's own: its data can be lost."""
    node = RabbitMQNode(tmp_path_factory.mktemp("rabbitmq"))
    try:
        node.start()
        yield node
    finally:
        node.close()


@pytest.fixture
async def parts(
    tmp_path: Path, prefect: DroppablePrefect, broker: RabbitMQNode
) -> AsyncIterator[Orchestra]:
    on = {
        "HITL_APPROVALS_ENABLED": "true",
        **OPERATIONS_OFF,
        **on_rabbitmq(broker, tmp_path.name),
    }
    async with whole_orchestra(tmp_path, prefect, **on) as parts:
        for process in (parts.api, parts.listener, parts.worker):
            process.start()
        yield parts


@pytest.mark.parametrize("prefect_too", [False, True], ids=["alone", "with Prefect's database"])
async def test_what_rabbitmq_has_lost_is_published_again_and_all_ends_once(
    parts: Orchestra,
    broker: RabbitMQNode,
    prefect: DroppablePrefect,
    flow_runs: PrefectFlowRuns,
    ledger: Ledger,
    prefect_too: bool,
) -> None:
    suspended = [a_large_deal() for _ in range(SUSPENDED)]
    running, ended, untaken = (
        [an_opportunity() for _ in range(count)] for count in (RUNNING, ENDED, UNTAKEN)
    )
    since = utc_now()
    async with services_on(parts.bus, parts.name):
        await parts.bus.publish(*suspended, *ended)
        await all_are(parts, suspended, "awaiting_approval")
        await all_suspended(parts, flow_runs)
        await all_are(parts, ended, "completed")
    await parts.bus.publish(*running)
    await all_are(parts, running, "running")
    await seen(parts, lambda: holds(parts, f"services-{parts.name}", 4 * RUNNING))
    job = await triggered(parts)
    await asyncio.to_thread(parts.listener.stop)
    await parts.bus.publish(*untaken)
    await seen(parts, lambda: holds(parts, intake_queue(parts.settings).name, UNTAKEN))

    began = time.monotonic()
    await asyncio.to_thread(lose_everything, broker)
    if prefect_too:
        await prefect.lose()
        await asyncio.to_thread(prefect.start)
    parts.listener.start()
    async with services_on(parts.bus, parts.name):
        back = time.monotonic()
        await orchestrator(parts, "bootstrap")
        declared = time.monotonic()
        print(await orchestrator(parts, "republish", "--since", since.isoformat()))  # noqa: T201
        republished = time.monotonic()
        await all_are(parts, running, "completed")
        await all_suspended(parts, flow_runs)
        await approve(parts, flow_runs, suspended)
        await all_are(parts, suspended, "completed")
        recovered = time.monotonic()
        await parts.bus.publish(*untaken)  # whoever published them does so again
        await all_are(parts, untaken, "completed")
    figures = {
        "servers": back - began,
        "bootstrap": declared - back,
        "republish": republished - declared,
        "all ended": recovered - began,
    }
    print(in_words(figures))  # noqa: T201

    await done_once(parts, ledger, [*suspended, *ended, *running, *untaken])
    times = Counter(event["id"] for event in ledger.seen)
    assert {2} == {times[ids.terminal_event_id(execution_id_of(event))] for event in ended}
    # Its run, which is resumed meanwhile, may repeat it under the same id.
    assert 2 <= min(
        times[ids.approval_event_id(approval_id_of(event), "requested")] for event in suspended
    )
    assert 2 == times[job.trigger_ids[0]]
    assert 1 == await parts.bus.depth(parts.settings.rabbitmq.batch_jobs_queue)


async def triggered(parts: Orchestra) -> ExecutionRecord:
    """A batch job, whose trigger no batch worker takes."""
    request = triggers.by_hand(JOB_BY_ID["outcome-sync"], "api", "disaster", {})
    return await triggers.trigger(parts.store, parts.bus, request)


async def holds(parts: Orchestra, queue: str, count: int) -> bool:
    return await parts.bus.depth(queue) == count


def lose_everything(broker: RabbitMQNode) -> None:
    """A node as on its first day."""
    broker.stop_app()
    broker.ctl("reset")
    broker.start_app()
