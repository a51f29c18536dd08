"""Processes of a journey are killed where that leaves something behind: the next one does the rest,
and money moves once.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from blocks.claims.money.ledger import read_fee
from blocks.contracts import ids
from blocks.contracts.records import ExecutionRecord
from blocks.contracts.records.claims import PacketRecord
from blocks.ports import Query
from blocks.processes import fault_points
from tests.support.factories import A_TENANT
from tests.support.journeys.system import JourneySystem, journey_system
from tests.support.servers.prefect_server import PrefectServer

pytestmark = pytest.mark.long

CALLERS = 200


@pytest.fixture(scope="module")
async def system(
    tmp_path_factory: pytest.TempPathFactory, prefect_server: PrefectServer
) -> AsyncIterator[JourneySystem]:
    folder = tmp_path_factory.mktemp("killed-journeys")
    async with journey_system(folder, prefect_server, 1) as system:
        system.parts.listener.start()
        system.parts.api.start()
        yield system


@pytest.fixture(autouse=True)
async def no_worker_is_left(system: JourneySystem) -> AsyncIterator[None]:
    yield
    system.parts.worker.kill()


@pytest.mark.parametrize("point", fault_points.OF_A_PHASE)
async def test_an_onboarding_whose_worker_was_killed_goes_on_where_it_was(
    system: JourneySystem, point: str
) -> None:
    user, sync = str(uuid4()), str(uuid4())
    system.parts.worker.start(FAULT_POINT=point)
    await system.trigger(1, user_id=user, sync_id=sync)
    await system.parts.worker.died()

    system.parts.worker.start()
    journey = await system.rests(user, sync, "waiting")

    assert 2 == journey.attempt
    asked = await system.platform.requests(user)
    assert {"sync": 1, "detection": 1, "matching": 1, "submission": 1} == {
        service: count for service, count in asked.items() if count
    }
    await each_line_is_there_once(system, journey, phases=5)


@pytest.mark.parametrize("point", fault_points.OF_A_PAYOUT)
async def test_a_payout_whose_worker_was_killed_is_charged_once(
    system: JourneySystem, point: str
) -> None:
    user, claim = str(uuid4()), str(uuid4())
    system.parts.worker.start(FAULT_POINT=point)
    await system.trigger(7, user_id=user, claim_id=claim, amount=99.99)
    await system.parts.worker.died()

    system.parts.worker.start()

    await paid_once(system, user, claim)


async def test_a_payout_sent_by_many_at_once_while_everything_is_killed_is_charged_once(
    system: JourneySystem,
) -> None:
    await all_are_killed_in_a_payout(system)


@pytest.mark.slow
async def test_a_payout_is_charged_once_a_thousand_times(system: JourneySystem) -> None:
    for _ in range(1_000):
        await all_are_killed_in_a_payout(system)
        system.parts.worker.kill()


async def all_are_killed_in_a_payout(system: JourneySystem) -> None:
    user, claim = str(uuid4()), str(uuid4())
    parts, answered = system.parts, asyncio.Event()
    parts.worker.start(FAULT_POINT="after-fee-charged")

    async def send() -> str:
        answer = await system.trigger(7, user_id=user, claim_id=claim, amount=99.99)
        answered.set()
        return answer.text

    sending = [asyncio.create_task(send()) for _ in range(CALLERS)]
    await answered.wait()
    parts.api.kill()
    parts.api.start()
    await parts.worker.died()
    parts.listener.kill()
    parts.listener.start()
    parts.worker.start()
    answers = await asyncio.gather(*sending)

    assert CALLERS == len(answers)
    await paid_once(system, user, claim)


async def paid_once(system: JourneySystem, user: str, claim_id: str) -> None:
    journey = await system.rests(user, f"payout_{claim_id}", "completed")
    assert {"phase": 7, "claims": 1, "paid": 1} == journey.results
    assert 1 == len(await system.platform.charges(claim_id))
    key = ids.claim_key(A_TENANT, user, claim_id)
    fee = await read_fee(system.parts.store, A_TENANT, key)
    assert fee
    assert ("charged", 2000, 7999) == (fee.status, fee.fee_cents, fee.payout_cents)
    packets = await system.parts.store.query(A_TENANT, Query(PacketRecord, {"claim_key": key}))
    assert ["completed"] == [stored.record.status for stored in packets.items]
    await each_line_is_there_once(system, journey, phases=1)


async def each_line_is_there_once(
    system: JourneySystem, journey: ExecutionRecord, *, phases: int
) -> None:
    lines = await system.lines(journey)
    marks = Counter((line.claim_key, line.phase, line.mark) for line in lines)
    assert {1} == set(marks.values())
    assert {"started": phases, "completed": phases} == Counter(line.mark for line in lines)
