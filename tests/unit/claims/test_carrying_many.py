"""Several journeys of one flow run: what is wrong with one does not hold up the others."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from blocks.contracts import rejections
from blocks.contracts.claims.phases import WORKFLOW
from blocks.contracts.records import ExecutionRecord
from blocks.contracts.records.claims import PhaseRecord
from flows import claim_recovery
from flows.claim_recovery import carry_all
from flows.claims.journey_run import JourneyRun
from flows.shared.claims import claim
from tests.support.factories import A_TENANT
from tests.support.journeys.carried import Carried, carried, doing
from tests.support.journeys.triggers import A_USER
from tests.support.stores import put_unreadable
from tests.support.waiting import eventually

ANOTHER_USER = f"{A_USER}-2"


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Carried]:
    async with carried(tmp_path) as here:
        yield here


async def taken_up(here: Carried, user_id: str) -> JourneyRun:
    journey_id = (await here.trigger(1, user_id=user_id)).execution_id
    held = await claim(here.store, A_TENANT, journey_id, str(uuid4()), workflow=WORKFLOW)
    assert held
    return JourneyRun(here.parts, held, doing)


async def test_one_whose_phase_cannot_be_read_has_failed_while_the_others_are_carried(
    here: Carried, monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged, good = await taken_up(here, A_USER), await taken_up(here, ANOTHER_USER)
    phase = (await here.phases(damaged.id))[0]
    await put_unreadable(here.store, PhaseRecord, A_TENANT, id=phase.id, executionId=damaged.id)
    may_go_on = asyncio.Event()
    carry = JourneyRun.carry

    async def slowly(self: JourneyRun) -> None:
        if self is good:
            await may_go_on.wait()
        await carry(self)

    monkeypatch.setattr(JourneyRun, "carry", slowly)
    carrying = asyncio.create_task(carry_all(here.parts, [damaged, good]))

    async def has_failed() -> ExecutionRecord | None:
        now = await here.journey(damaged.id)
        return now if now.announced_at else None

    failed = await eventually(has_failed)
    assert failed
    assert ("failed", rejections.RUN_FAILED) == (failed.status, failed.error_code)
    assert phase.id in (failed.error or "")
    assert not carrying.done(), "the other one is under way"
    may_go_on.set()
    await carrying
    assert "waiting" == (await here.journey(good.id)).status


async def test_an_error_of_one_is_tried_again_and_then_it_has_failed(
    here: Carried, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = {A_USER: 0, ANOTHER_USER: 0}
    passing, lasting = await taken_up(here, A_USER), await taken_up(here, ANOTHER_USER)
    carry = JourneyRun.carry

    async def faulty(self: JourneyRun) -> None:
        user_id = A_USER if self is passing else ANOTHER_USER
        tries[user_id] += 1
        if self is lasting or tries[user_id] == 1:
            raise ValueError("a bug")
        await carry(self)

    monkeypatch.setattr(JourneyRun, "carry", faulty)
    monkeypatch.setattr(claim_recovery, "RETRY_SECONDS", (0.0, 0.0, 0.0))
    await carry_all(here.parts, [passing, lasting])

    assert {A_USER: 2, ANOTHER_USER: 4} == tries
    assert "waiting" == (await here.journey(passing.id)).status
    failed = await here.journey(lasting.id)
    assert ("failed", "ValueError: a bug") == (failed.status, failed.error)
