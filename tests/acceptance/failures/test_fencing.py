"""A worker that was thought dead and comes back: its work was given to another, and it changes
nothing any more.
"""

import os
import signal
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from blocks.contracts.records import ExecutionRecord
from blocks.ports import Message, Query, Stored
from tests.support.analyses import an_opportunity, execution_id_of, seen
from tests.support.factories import A_TENANT
from tests.support.servers.prefect_server import PrefectServer
from tests.support.system.analysis_services import AnalysisServices, answer_to
from tests.support.system.ledger import REQUESTED, TERMINAL, Ledger
from tests.support.system.orchestra import Orchestra, orchestra

pytestmark = pytest.mark.long


@pytest.fixture
async def parts(tmp_path: Path, prefect_server: PrefectServer) -> AsyncIterator[Orchestra]:
    quick = {
        "WORKER_HEARTBEAT_SECONDS": "0.5",
        "WORKER_LOST_AFTER_SECONDS": "4",
        "RECONCILER_INTERVAL_SECONDS": "1",
    }
    async with orchestra(tmp_path, prefect_server, **quick) as parts:
        yield parts


async def test_a_worker_that_comes_back_from_the_dead_writes_nothing_and_announces_nothing_new(
    parts: Orchestra, ledger: Ledger, services: AnalysisServices
) -> None:
    early, late = an_opportunity(), an_opportunity()
    services.silent |= set(REQUESTED)
    for part in (parts.api, parts.listener, parts.worker):
        part.start()
    await parts.bus.publish(early, late)
    await all_at(parts, (early, late), "running", attempt=1)
    parts.another_worker.start()
    await seen(parts, lambda: parts.has_workers(2))

    os.kill(parts.worker.pid, signal.SIGSTOP)
    await all_at(parts, (early, late), "running", attempt=2)
    of_early = [
        one for one in services.unanswered if one["data"]["workflowId"] == execution_id_of(early)
    ]
    await parts.bus.publish(*(answer_to(request) for request in of_early))
    [ended] = await all_at(parts, (early,), "completed", attempt=2)

    os.kill(parts.worker.pid, signal.SIGCONT)
    await seen(parts, lambda: has_let_go(parts))
    await services.speak()
    await all_at(parts, (late,), "completed", attempt=2)

    assert ended == await parts.store.read(A_TENANT, ExecutionRecord, ended.record.id)
    assert {} == ledger.second_ids()
    assert 2 == len(await ledger.published(*TERMINAL, count=2))
    assert [2, 2, 2, 2] == [len(services.asked[request]) for request in REQUESTED]


async def all_at(
    parts: Orchestra, events: Sequence[Message], status: str, *, attempt: int
) -> list[Stored[ExecutionRecord]]:
    """The records, once each is there, in this attempt or a later one; what has ended has been
    announced, too.
    """
    wanted = {"id": tuple(execution_id_of(event) for event in events), "status": status}

    async def are_there() -> list[Stored[ExecutionRecord]]:
        found = (await parts.store.query(A_TENANT, Query(ExecutionRecord, wanted))).items
        there = [one for one in found if one.record.attempt >= attempt]
        settled = [one for one in there if one.record.announced_at or not one.record.is_terminal]
        return settled if len(settled) == len(events) else []

    return await seen(parts, are_there)


async def has_let_go(parts: Orchestra) -> bool:
    return "stood still" in parts.worker.log
