"""A worker that was thought dead and comes back: its work was given to another, and it changes nothing any more."""

import os
import signal
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from uuid import uuid4

import pytest

from blocks.contracts import ids
from blocks.contracts.analysis import WORKFLOW
from blocks.contracts.records import ExecutionRecord, ProcessRecord
from blocks.ports import Message, Stored
from tests.support.analysis_services import answer_to, opportunity_event, services_on
from tests.support.factories import A_TENANT
from tests.support.ledger import REQUESTED, TERMINAL, ledger_of
from tests.support.orchestra import Orchestra, orchestra
from tests.support.prefect_server import PrefectServer
from tests.support.waiting import eventually


@pytest.fixture
async def parts(tmp_path: Path, prefect_server: PrefectServer) -> AsyncIterator[Orchestra]:
    quick = {"WORKER_HEARTBEAT_SECONDS": "0.5", "WORKER_LOST_AFTER_SECONDS": "4", "MIRROR_INTERVAL_SECONDS": "1"}
    async with orchestra(tmp_path, prefect_server, **quick) as parts:
        yield parts


async def test_a_worker_that_comes_back_from_the_dead_writes_nothing_and_tells_nothing_new(parts: Orchestra) -> None:
    early, late = (opportunity_event(A_TENANT, str(uuid4()), id=str(uuid4())) for _ in range(2))
    async with ledger_of(parts.bus, parts.name) as ledger, services_on(parts.bus, parts.name, silent=REQUESTED) as them:
        for part in (parts.api, parts.listener, parts.worker):
            part.start()
        await parts.bus.publish(early, late)
        await all_at(parts, (early, late), "running", attempt=1)
        parts.another_worker.start()
        await eventually(lambda: is_listed_twice(parts), within_seconds=30)

        os.kill(parts.worker.pid, signal.SIGSTOP)
        await all_at(parts, (early, late), "running", attempt=2)
        of_early = [one for one in them.unanswered if one["data"]["workflowId"] == id_of(early)]
        await parts.bus.publish(*(answer_to(request) for request in of_early))
        [ended] = await all_at(parts, (early,), "completed", attempt=2)

        os.kill(parts.worker.pid, signal.SIGCONT)
        await eventually(lambda: let_go(parts), within_seconds=20)
        await them.speak()
        await all_at(parts, (late,), "completed", attempt=2)

    assert ended == await parts.store.read(A_TENANT, ExecutionRecord, id_of(early))
    assert {} == ledger.second_ids()
    assert 2 == len(ledger.of(*TERMINAL))
    assert [2, 2, 2, 2] == [len(them.asked[request]) for request in REQUESTED]


def id_of(event: Message) -> str:
    return ids.execution_id(A_TENANT, WORKFLOW, event.id)


async def all_at(
    parts: Orchestra, events: Sequence[Message], status: str, *, attempt: int
) -> list[Stored[ExecutionRecord]]:
    """The records, once each is there, in this attempt or a later one; what has ended has been announced, too."""
    wanted = {"id": tuple(id_of(event) for event in events), "status": status}

    async def are_there() -> list[Stored[ExecutionRecord]]:
        found = (await parts.store.query(A_TENANT, ExecutionRecord, wanted)).items
        there = [one for one in found if one.record.attempt >= attempt]
        settled = [one for one in there if one.record.announced_at or not one.record.is_terminal]
        return settled if len(settled) == len(events) else []

    try:
        return await eventually(are_there, within_seconds=60)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{parts.logs()}\n{parts.another_worker.log[-3000:]}") from None


async def is_listed_twice(parts: Orchestra) -> bool:
    return len((await parts.store.query(ids.SYSTEM_TENANT, ProcessRecord, {"role": "worker"})).items) == 2


async def let_go(parts: Orchestra) -> bool:
    return "stood still" in parts.worker.log
