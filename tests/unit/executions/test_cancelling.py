"""Cancelling, on the real embedded store: in every state, and against whoever ends the execution at
the same moment.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from blocks.actions.cancelling import cancel_execution
from blocks.contracts import ids
from blocks.contracts.analysis import WORKFLOW
from blocks.contracts.records import ApprovalRecord, ExecutionRecord
from blocks.contracts.states import TERMINAL, ExecutionStatus, InvalidTransition
from blocks.executions import transitions
from blocks.ports import Message, RecordStore, Stale, Stored, Unavailable
from blocks.services import open_bus, open_store
from blocks.settings import load_settings
from flows.shared.claims import claim
from tests.support.factories import A_TENANT, an_approval, an_execution, now
from tests.support.flow_runs import RememberedFlowRuns

RACES = 250


class Scene(msgspec.Struct):
    """A store, and what was published: by execution, the ends that were announced."""

    store: RecordStore
    bus: Any
    ends: dict[str, list[tuple[str, str]]]

    async def cancel(self, execution_id: str) -> ExecutionRecord:
        return await cancel_execution(
            self.store, self.bus, RememberedFlowRuns(), A_TENANT, execution_id, "not wanted"
        )


@pytest.fixture
async def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    settings = load_settings({"ORCHESTRATOR_DATA_DIR": str(tmp_path)})
    async with open_store(settings) as store, open_bus(settings, "test") as bus:
        ends: dict[str, list[tuple[str, str]]] = {}

        async def keep_published(*messages: Message, required: bool = False) -> None:
            for message in messages:
                event = msgspec.json.decode(message.body)
                ends.setdefault(event["data"]["workflowId"], []).append((message.id, event["type"]))

        monkeypatch.setattr(bus, "publish", keep_published)
        yield Scene(store, bus, ends)


@pytest.mark.parametrize("status", ["pending", "running", "awaiting_approval"])
async def test_what_is_open_is_cancelled_and_its_end_announced_once(
    scene: Scene, status: ExecutionStatus
) -> None:
    execution = (await scene.store.create(A_TENANT, an_execution(status=status))).record

    cancelled = await scene.cancel(execution.id)

    assert ("cancelled", "cancelled") == (cancelled.status, cancelled.error_code)
    assert cancelled.announced_at
    assert [
        (ids.terminal_event_id(execution.id), "workflow.opportunity.analysis.failed")
    ] == scene.ends[execution.id]


async def test_while_the_broker_is_away_its_approvals_are_withdrawn_all_the_same(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: Message, required: bool = False) -> None:
        raise Unavailable("the broker")

    monkeypatch.setattr(scene.bus, "publish", away)
    execution = an_execution(status="awaiting_approval")
    asked = an_approval(execution_id=execution.id)
    await scene.store.create(A_TENANT, execution)
    await scene.store.create(A_TENANT, asked)

    with pytest.raises(Unavailable):
        await scene.cancel(execution.id)

    approval = (await scene.store.read(A_TENANT, ApprovalRecord, asked.id)).record
    assert "cancelled" == approval.status


@pytest.mark.parametrize("status", TERMINAL)
async def test_what_has_ended_stays_as_it_is(scene: Scene, status: ExecutionStatus) -> None:
    stored = await scene.store.create(
        A_TENANT, an_execution(status=status, completed_at=now(), announced_at=now())
    )

    with pytest.raises(InvalidTransition):
        await scene.cancel(stored.record.id)

    assert stored == await scene.store.read(A_TENANT, ExecutionRecord, stored.record.id)
    assert {} == scene.ends


async def test_of_cancelling_and_completing_at_once_exactly_one_happens_and_is_announced(
    scene: Scene,
) -> None:
    outcomes = {"completed": 0, "cancelled": 0}
    head_starts = Random(46)
    for _ in range(RACES):
        execution = (await scene.store.create(A_TENANT, an_execution())).record
        held = await claim(scene.store, A_TENANT, execution.id, "run-1", workflow=WORKFLOW)
        assert held
        # Cancelling reads before it writes: without a head start it never wins.
        racers = (
            complete(scene, held, after=head_starts.uniform(0, 0.003)),
            scene.cancel(execution.id),
        )
        await asyncio.gather(*racers, return_exceptions=True)

        ended = (await scene.store.read(A_TENANT, ExecutionRecord, execution.id)).record
        outcomes[ended.status] += 1
        end = "completed" if ended.status == "completed" else "failed"
        assert {
            (ids.terminal_event_id(execution.id), f"workflow.opportunity.analysis.{end}")
        } == set(scene.ends[execution.id])
    assert all(outcomes.values()), outcomes


async def complete(scene: Scene, held: Stored[ExecutionRecord], *, after: float) -> None:
    """As a run does it; one that lost leaves the end to the winner."""
    await asyncio.sleep(after)
    try:
        ended = await transitions.complete(scene.store, held, results={"risk": {}})
    except Stale:
        return
    await transitions.announce(scene.store, scene.bus, [ended])
