"""Journeys on RabbitMQ and the Cosmos emulator whose processes are killed in the middle of each
phase: they end, money moves once, and the log of phases and the published events agree.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from blocks.claims.log import PUBLISHED_MARKS
from blocks.claims.money.ledger import read_fee
from blocks.contracts import ids
from blocks.contracts.events import PHASE_EVENTS
from blocks.contracts.records import ExecutionRecord
from blocks.contracts.records.claims import PacketRecord
from blocks.ports import Query
from tests.support.factories import A_TENANT
from tests.support.journeys.system import JourneySystem, journey_system
from tests.support.servers.prefect_server import PrefectServer
from tests.support.system.ledger import Envelope, Ledger, ledger_of
from tests.support.system.orchestra import on_real_parts
from tests.support.waiting import eventually

pytestmark = pytest.mark.long

PATIENCE_SECONDS = 240
"""For what takes a minute on a machine that does nothing else."""
PHASE_TYPES = tuple(kind.event_type for kind in PHASE_EVENTS.values())
ENDS = ("workflow.claim.recovery.completed", "workflow.claim.recovery.failed")


@pytest.fixture
async def system(
    request: pytest.FixtureRequest, tmp_path: Path, prefect_server: PrefectServer
) -> AsyncIterator[JourneySystem]:
    """One claim is found for each user, and it is sure; no process runs yet."""
    environment = on_real_parts(request, tmp_path.name)
    async with journey_system(tmp_path, prefect_server, 1, **environment) as system:
        yield system


@pytest.fixture
async def ledger(system: JourneySystem) -> AsyncIterator[Ledger]:
    async with ledger_of(system.parts.bus, system.parts.name) as ledger:
        yield ledger


async def test_a_worker_that_is_killed_in_each_phase_of_a_sync_submits_its_claim_once(
    system: JourneySystem, ledger: Ledger
) -> None:
    user, sync = str(uuid4()), str(uuid4())
    parts = system.parts
    parts.listener.start()
    parts.api.start()
    parts.worker.start(FAULT_POINT="after-phase-begun")
    await system.trigger(1, user_id=user, sync_id=sync)
    await parts.worker.died()
    for _ in range(1, 6):  # each announces the end that the one before it left, and does one phase
        parts.worker.start(FAULT_POINT="after-phase-end")
        await parts.worker.died()

    parts.worker.start()
    journey = await system.rests(user, sync, "waiting", within_seconds=PATIENCE_SECONDS)

    assert 7 == journey.attempt
    asked = await system.platform.requests(user)
    assert {"sync": 1, "detection": 1, "matching": 1, "submission": 1} == {
        service: count for service, count in asked.items() if count
    }
    await log_and_events_agree(system, ledger, journey, phases=5, ends=0)


async def test_a_journey_whose_api_listener_and_worker_are_killed_is_paid_once(
    system: JourneySystem, ledger: Ledger
) -> None:
    user, sync = str(uuid4()), str(uuid4())
    parts = system.parts
    parts.worker.start()
    parts.listener.start(FAULT_POINT="after-dispatch")
    parts.api.start()
    await system.trigger(1, user_id=user, sync_id=sync)
    await parts.listener.died()
    parts.listener.start()
    journey = await system.rests(user, sync, "waiting", within_seconds=PATIENCE_SECONDS)
    [claim] = await system.claims(journey)

    parts.worker.kill()
    parts.worker.start(FAULT_POINT="after-fee-charged")
    await sent_to_an_api_that_dies(system, 7, user_id=user, claim_id=claim.claim_id, amount=99.99)
    await parts.worker.died()
    for process in (parts.api, parts.listener):
        process.kill()
        process.start()
    parts.worker.start()

    ended = await system.rests(user, sync, "completed", within_seconds=PATIENCE_SECONDS)
    assert {"phase": 7, "claims": 1, "paid": 1} == ended.results
    await paid_once(system, user, claim.claim_id)
    await log_and_events_agree(system, ledger, ended, phases=6, ends=1)


async def test_a_rejection_whose_trigger_and_phase_lost_their_processes_is_learned_from_once(
    system: JourneySystem, ledger: Ledger
) -> None:
    user, claim, parts = str(uuid4()), str(uuid4()), system.parts
    parts.listener.start()
    parts.worker.start(FAULT_POINT="after-phase-end")
    await sent_to_an_api_that_dies(
        system, 6, user_id=user, claim_id=claim, rejection_reason="no proof"
    )
    await parts.worker.died()
    parts.worker.start()

    ended = await system.rests(
        user, f"rejection_{claim}", "completed", within_seconds=PATIENCE_SECONDS
    )
    assert {"phase": 6, "claims": 1, "rejected": 1} == ended.results
    asked = await system.platform.requests(user)
    assert 1 == sum(asked.values())
    await log_and_events_agree(system, ledger, ended, phases=1, ends=1)


async def sent_to_an_api_that_dies(system: JourneySystem, phase: int, **body: object) -> None:
    """The trigger is on record, its caller got no answer and sends it again, until it is answered
    by the API that was started next.
    """
    api = system.parts.api
    api.kill()
    api.start(FAULT_POINT="after-trigger")
    sending = asyncio.create_task(system.trigger(phase, **body))
    await api.died()
    api.start()
    await sending


async def paid_once(system: JourneySystem, user: str, claim_id: str) -> None:
    assert 1 == len(await system.platform.charges(claim_id))
    key = ids.claim_key(A_TENANT, user, claim_id)
    fee = await read_fee(system.parts.store, A_TENANT, key)
    assert fee
    assert ("charged", 2000, 7999) == (fee.status, fee.fee_cents, fee.payout_cents)
    packets = await system.parts.store.query(A_TENANT, Query(PacketRecord, {"claim_key": key}))
    assert ["completed"] == [stored.record.status for stored in packets.items]


async def log_and_events_agree(
    system: JourneySystem, ledger: Ledger, journey: ExecutionRecord, *, phases: int, ends: int
) -> None:
    """Each line is there once, and published once under its id."""
    lines = await system.lines(journey)
    marks = Counter((line.claim_key, line.phase, line.mark) for line in lines)
    assert {1} == set(marks.values())
    assert {"started": phases, "completed": phases} == Counter(line.mark for line in lines)
    logged = {line.id for line in lines if line.mark in PUBLISHED_MARKS}

    def published(*types: str) -> list[Envelope]:
        return [one for one in ledger.of(*types) if one["data"]["workflowId"] == journey.id]

    async def all_are_published() -> bool:
        return len(published(*PHASE_TYPES)) >= len(logged)

    await eventually(all_are_published)
    assert logged == {one["id"] for one in published(*PHASE_TYPES)}
    assert ends == len(published(*ENDS))
    assert [] == ledger.invalid()
