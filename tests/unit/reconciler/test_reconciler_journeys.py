"""Drift of journeys: a phase is due, and no run carries its journey."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from msgspec.structs import replace

from api.reconciler import Parts, due_phases
from api.reconciler.drift import Drift
from api.reconciler.due_phases import Due, DuePhases
from api.reconciler.kinds.ended_runs import left_open
from api.reconciler.kinds.unwoken import UnclosedPhases, UnwokenJourneys
from blocks.actions.cancelling import cancel_execution
from blocks.actions.retrying import retry_execution
from blocks.claims import journeys, log
from blocks.contracts.claims.phases import PhaseStatus
from blocks.contracts.records import ExecutionRecord
from blocks.contracts.records.claims import PhaseRecord
from blocks.ports import Page, Query, RecordStore, Stored
from blocks.services import open_bus, open_store
from blocks.settings import load_settings
from tests.support.api.journeys import a_phase
from tests.support.claims.records import a_journey
from tests.support.factories import A_TENANT, a_flow_run, a_tenant_record, now
from tests.support.flow_runs import RememberedFlowRuns

LONG_AGO = now() - timedelta(minutes=10)
LATER = LONG_AGO + timedelta(minutes=5)


class Scene(msgspec.Struct):
    """A store in which journeys and phases last changed long ago."""

    parts: Parts

    async def journey(self, **changes: Any) -> ExecutionRecord:
        journey = a_journey(**{"created_at": LONG_AGO, "updated_at": LONG_AGO, **changes})
        return (await self.parts.store.create(A_TENANT, journey)).record

    async def phase(self, journey: ExecutionRecord, **changes: Any) -> PhaseRecord:
        facts = {"created_at": LONG_AGO, "requested_at": LONG_AGO, "execution_id": journey.id}
        phase = a_phase(**{**facts, **changes})
        return (await self.parts.store.create(A_TENANT, phase)).record

    async def journey_now(self, journey: ExecutionRecord) -> ExecutionRecord:
        return (await self.parts.store.read(A_TENANT, ExecutionRecord, journey.id)).record

    async def phase_now(self, phase: PhaseRecord) -> PhaseRecord:
        return (await self.parts.store.read(A_TENANT, PhaseRecord, phase.id)).record


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    settings = load_settings({"ORCHESTRATOR_DATA_DIR": str(tmp_path)})
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(open_store(settings))
        bus = await stack.enter_async_context(open_bus(settings, "test"))
        await store.provision()
        tenant = a_tenant_record()
        await store.create(tenant.tenant_id, tenant)
        yield Scene(Parts.of(settings, store, bus, RememberedFlowRuns()))


class CountingStore:
    """Notes what is read from the store behind it."""

    def __init__(self, store: RecordStore, read: list[str]) -> None:
        self._store, self._read = store, read

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def query(self, tenant_id: str, query: Query[Any]) -> Page[Any]:
        if query.kind is PhaseRecord:
            self._read.append("phase page")
        return await self._store.query(tenant_id, query)

    async def read(self, tenant_id: str, kind: type[Any], id: str) -> Stored[Any]:
        if kind is ExecutionRecord:
            self._read.append("journey")
        return await self._store.read(tenant_id, kind, id)


def ended(status: str, at: Any = LONG_AGO, **changes: Any) -> dict[str, Any]:
    return {"status": status, "completed_at": at, "announced_at": at, **changes}


# --- woken ----------------------------------------------------------------------------------------


async def test_a_journey_whose_wake_was_lost_is_woken_once(scene: Scene) -> None:
    journey = await scene.journey()
    for number in (1, 2):
        await scene.phase(journey, number=number)
    drift = UnwokenJourneys(scene.parts)

    assert 1 == await drift.look()
    assert "pending" == (await scene.journey_now(journey)).status
    assert 0 == await drift.look()


@pytest.mark.parametrize(
    ("journey", "phase"),
    [
        ({}, ended("completed")),
        ({}, ended("failed")),
        ({"status": "running"}, {}),
        ({"status": "pending"}, {}),
        ({"updated_at": now() + timedelta(hours=1)}, {}),
        ({}, {"requested_at": now() + timedelta(hours=1)}),
    ],
    ids=["done", "failed", "under-way", "dispatched", "just-moved", "just-requested"],
)
async def test_a_journey_that_needs_nothing_is_left_alone(
    scene: Scene, journey: dict[str, Any], phase: dict[str, Any]
) -> None:
    at_rest = await scene.journey(**journey)
    await scene.phase(at_rest, **phase)

    assert 0 == await UnwokenJourneys(scene.parts).look()
    assert at_rest == await scene.journey_now(at_rest)


@pytest.mark.parametrize(
    ("end", "requested_at"),
    [
        (ended("completed", at=LATER), LONG_AGO),
        (ended("failed", at=LATER, failed_step="phase_2"), LONG_AGO),
        (ended("failed"), LATER),
    ],
    ids=["completed-beside-it", "failed-beside-it", "failed-before-it"],
)
async def test_a_journey_that_ended_without_seeing_a_trigger_is_opened_again(
    scene: Scene, end: dict[str, Any], requested_at: Any
) -> None:
    journey = await scene.journey(**end)
    await scene.phase(journey, requested_at=requested_at)

    assert 0 == await UnclosedPhases(scene.parts).look()
    assert 1 == await UnwokenJourneys(scene.parts).look()
    assert "pending" == (await scene.journey_now(journey)).status


async def test_a_look_is_bounded_and_the_next_one_goes_on(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(due_phases, "PHASES_OF_A_TENANT", 2)
    busy = await scene.journey(status="running")
    for _ in range(4):
        await scene.phase(busy)
    journey = await scene.journey()
    at_the_end = LONG_AGO + timedelta(minutes=1)
    await scene.phase(journey, created_at=at_the_end, requested_at=at_the_end)
    parts = replace(scene.parts, due_phases=DuePhases(scene.parts.store))
    drift = UnwokenJourneys(parts)

    assert [0, 0, 1] == [await drift.look() for _ in range(3)]


# --- both kinds -----------------------------------------------------------------------------------


@pytest.mark.parametrize("first", [UnwokenJourneys, UnclosedPhases])
async def test_both_kinds_look_at_every_page_and_each_is_read_once(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, first: type[Drift[Due]]
) -> None:
    monkeypatch.setattr(due_phases, "PHASES_OF_A_TENANT", 1)
    read: list[str] = []
    counting = cast(RecordStore, CountingStore(scene.parts.store, read))
    parts = replace(scene.parts, due_phases=DuePhases(counting))
    for journey in ({}, ended("cancelled"), {}, ended("cancelled")):
        await scene.phase(await scene.journey(**journey))
    [second] = {UnwokenJourneys, UnclosedPhases} - {first}
    drifts = [first(parts), second(parts)]

    found = [[await drift.find() for drift in drifts] for _ in range(4)]

    assert [2, 2] == [sum(map(len, of_kind)) for of_kind in zip(*found, strict=True)]
    assert 4 == read.count("phase page")
    assert 4 == read.count("journey")


async def test_a_kind_that_looks_late_repairs_what_was_read_meanwhile(scene: Scene) -> None:
    woken, closed = UnwokenJourneys(scene.parts), UnclosedPhases(scene.parts)
    for _ in range(2):
        await scene.phase(await scene.journey(**ended("cancelled")))
        assert 0 == await woken.look()

    assert 2 == await closed.look()


async def test_a_journey_that_was_retried_meanwhile_keeps_its_phases(scene: Scene) -> None:
    journey = await scene.journey(**ended("cancelled"))
    phase = await scene.phase(journey)
    assert 0 == await UnwokenJourneys(scene.parts).look()
    await retry_execution(scene.parts.store, scene.parts.bus, A_TENANT, journey.id)

    assert 0 == await UnclosedPhases(scene.parts).look()
    assert "requested" == (await scene.phase_now(phase)).status


async def test_a_journey_that_was_cancelled_meanwhile_is_not_woken(scene: Scene) -> None:
    journey = await scene.journey()
    await scene.phase(journey)
    assert 0 == await UnclosedPhases(scene.parts).look()
    await cancel_execution(
        scene.parts.store, scene.parts.bus, scene.parts.flow_runs, A_TENANT, journey.id, "by hand"
    )
    cancelled = await scene.journey_now(journey)

    assert 0 == await UnwokenJourneys(scene.parts).look()
    assert cancelled == await scene.journey_now(journey)


# --- closed ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("standing", ["requested", "running"])
@pytest.mark.parametrize(
    ("journey", "code"),
    [
        (ended("cancelled", error="by request", error_code="cancelled"), "cancelled"),
        (ended("failed", error="the flow run failed", error_code="run-failed"), "run-failed"),
    ],
    ids=["cancelled", "failed"],
)
async def test_the_phases_of_a_journey_that_was_ended_from_outside_are_closed_once(
    scene: Scene, journey: dict[str, Any], code: str, standing: PhaseStatus
) -> None:
    over = await scene.journey(**journey)
    phase = await scene.phase(over, status=standing, attempts=1)
    drift = UnclosedPhases(scene.parts)

    assert (0, 1) == (await UnwokenJourneys(scene.parts).look(), await drift.look())
    closed = await scene.phase_now(phase)
    assert ("failed", code) == (closed.status, closed.error_code)
    assert closed.announced_at is not None
    [line] = await log.entries(scene.parts.store, A_TENANT, [over.id])
    assert ("failed", code, closed.error) == (line.mark, line.error_code, line.error)
    assert 0 == await drift.look()
    assert over == await scene.journey_now(over)


async def test_an_end_that_was_not_announced_is_announced_as_it_was(scene: Scene) -> None:
    journey = await scene.journey(**ended("cancelled", at=LATER))
    phase = await scene.phase(
        journey, **ended("completed") | {"announced_at": None}, result={"orders": 1}
    )

    assert 1 == await UnclosedPhases(scene.parts).look()
    after = await scene.phase_now(phase)
    assert ("completed", True) == (after.status, after.announced_at is not None)
    [line] = await log.entries(scene.parts.store, A_TENANT, [journey.id])
    assert ("completed", {"orders": 1}) == (line.mark, line.result)


async def test_what_a_cancelled_journey_had_queued_is_closed_too(scene: Scene) -> None:
    journey = await scene.journey(**ended("cancelled"))
    phase = await scene.phase(journey, status="running", next_trigger=a_phase(number=2).trigger)
    drift = UnclosedPhases(scene.parts)

    assert 1 == await drift.look()
    queued = await scene.phase_now(phase)
    assert ("requested", 2) == (queued.status, queued.round)
    assert "cancelled" == (await scene.journey_now(journey)).status


async def test_a_journey_that_is_carried_keeps_its_phases(scene: Scene) -> None:
    for status in ("pending", "running", "waiting"):
        await scene.phase(await scene.journey(status=status), status="running")

    assert 0 == await UnclosedPhases(scene.parts).look()


# --- runs that have ended -------------------------------------------------------------------------


@pytest.mark.parametrize("standing", ["at-rest", "woken", "retried"])
async def test_a_run_that_ends_takes_no_journey_along_that_it_had_left(
    scene: Scene, standing: str
) -> None:
    journey = await scene.journey(failed_step="phase_2")
    store, bus = scene.parts.store, scene.parts.bus
    match standing:
        case "woken":
            await journeys.wake(store, bus, A_TENANT, journey.id)
        case "retried":
            await retry_execution(store, bus, A_TENANT, journey.id)
    before = await scene.journey_now(journey)
    run = a_flow_run(
        state="cancelled", scheduled_at=LONG_AGO, execution_ids=[journey.id], message="by hand"
    )

    assert [] == await left_open(scene.parts, run)
    assert before == await scene.journey_now(journey)


async def test_a_run_that_ends_takes_the_woken_journey_along_that_it_was_made_for(
    scene: Scene,
) -> None:
    journey = await scene.journey()
    await journeys.wake(scene.parts.store, scene.parts.bus, A_TENANT, journey.id)
    run = a_flow_run(state="cancelled", scheduled_at=now(), execution_ids=[journey.id])

    assert [journey.id] == [one.record.id for one in await left_open(scene.parts, run)]
