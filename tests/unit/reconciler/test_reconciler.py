"""Each kind of drift, on the real embedded store and bus: what is not as it should be is found, and
only that.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from api.reconciler import Drift, Parts
from api.reconciler.kinds import ended_runs
from api.reconciler.kinds.ended_runs import RESCHEDULES_MAX, EndedRuns
from api.reconciler.kinds.lost_runs import LostRuns
from api.reconciler.kinds.overdue import OverdueExecutions
from api.reconciler.kinds.unannounced import GRACE, GRACE_OF_THE_DEAD, Unannounced
from api.reconciler.kinds.undispatched import Undispatched
from api.reconciler.kinds.unqueued_runs import UnqueuedRuns
from api.reconciler.kinds.vanished_runs import VanishedRuns
from api.reconciler.workers import Workers
from blocks import signals
from blocks.adapters.prefect.retries import AWAITING_RETRY
from blocks.contracts import ids, rejections
from blocks.contracts.analysis import WORKFLOW
from blocks.contracts.definitions import WantedDefinition, WantedStep
from blocks.contracts.records import (
    ApprovalRecord,
    ExecutionRecord,
    PreviousOutcome,
    ProcessRecord,
    RefusedAnswer,
    TenantShare,
)
from blocks.definitions.versions import set_definition
from blocks.executions import transitions
from blocks.observability.metrics import work
from blocks.ports import FlowRunView, NotFound, Query, Stale, Unavailable
from blocks.ports.flow_runs import REFUSED
from blocks.processes.local_process import this_process
from blocks.services import open_bus, open_store
from blocks.settings import load_settings
from blocks.tenants.dispatch_policy import change_policy, with_share
from tests.support.factories import (
    A_TENANT,
    a_flow_run,
    a_process,
    a_tenant_record,
    an_approval,
    an_execution,
    now,
)
from tests.support.flow_runs import RememberedFlowRuns
from tests.support.system.ledger import ledger_of
from tests.support.waiting import eventually

SECOND = timedelta(seconds=1)
LONG_AGO = now() - timedelta(minutes=10)


class Scene(msgspec.Struct):
    """What the reconciler works on."""

    parts: Parts
    prefect: RememberedFlowRuns

    async def given(self, **changes: Any) -> ExecutionRecord:
        """An execution that last moved long ago."""
        execution = an_execution(**{"created_at": LONG_AGO, "updated_at": LONG_AGO, **changes})
        await self.parts.store.create(A_TENANT, execution)
        return execution

    async def a_worker(
        self, *flow_run_ids: str, silent_for: timedelta = timedelta(0)
    ) -> ProcessRecord:
        worker = a_process(flow_run_ids=list(flow_run_ids), beat_at=now() - silent_for)
        await self.parts.store.create(ids.SYSTEM_TENANT, worker)
        return worker

    async def now(self, execution: ExecutionRecord) -> ExecutionRecord:
        return (await self.parts.store.read(A_TENANT, ExecutionRecord, execution.id)).record

    def prefect_knows(self, *runs: FlowRunView) -> None:
        self.prefect.runs = list(runs)


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    settings = load_settings({"ORCHESTRATOR_DATA_DIR": str(tmp_path)})
    prefect = RememberedFlowRuns()
    async with open_store(settings) as store, open_bus(settings, "test") as bus:
        await store.create(ids.SYSTEM_TENANT, a_tenant_record(tenant=A_TENANT))
        yield Scene(Parts.of(settings, store, bus, prefect), prefect)


# --- ended, and not announced ---------------------------------------------------------------------


async def test_an_end_that_was_never_announced_is_announced_once(scene: Scene) -> None:
    owed = await scene.given(status="completed", completed_at=LONG_AGO, results={"risk": {}})
    drift = Unannounced(scene.parts)

    async with ledger_of(scene.parts.bus, "unannounced") as ledger:
        assert (1, 0) == (await drift.look(), await drift.look())
        [end] = await ledger.published("workflow.opportunity.analysis.completed")

    assert ids.terminal_event_id(owed.id) == end["id"]
    assert (await scene.now(owed)).announced_at


@pytest.mark.parametrize(
    ("age", "expected"), [(GRACE_OF_THE_DEAD + SECOND, 0), (GRACE - SECOND, 0), (GRACE + SECOND, 1)]
)
async def test_a_living_worker_has_its_time_to_announce_an_end(
    scene: Scene, age: timedelta, expected: int
) -> None:
    await scene.given(
        status="completed", completed_at=LONG_AGO, updated_at=now() - age, flow_run_id="run-1"
    )
    await scene.a_worker("run-1")

    assert expected == await Unannounced(scene.parts).look()


async def test_the_end_of_a_run_without_a_worker_is_announced_soon(scene: Scene) -> None:
    soon = now() - GRACE_OF_THE_DEAD - SECOND
    await scene.given(status="completed", completed_at=soon, updated_at=soon, flow_run_id="run-1")
    await scene.a_worker("run-1", silent_for=timedelta(minutes=1))

    assert 1 == await Unannounced(scene.parts).look()


async def test_who_died_before_announcing_an_end_left_its_approvals_and_its_run_to_the_reconciler(
    scene: Scene,
) -> None:
    """A broker that is away is enough: the end is recorded, and its announcement refused."""
    execution = await scene.given(status="awaiting_approval", flow_run_id="run-1")
    asked = an_approval(execution_id=execution.id)
    await scene.parts.store.create(A_TENANT, asked)
    scene.prefect_knows(a_flow_run(id="run-1", state="paused", execution_ids=[execution.id]))
    stored = await scene.parts.store.read(A_TENANT, ExecutionRecord, execution.id)
    ended = await transitions.cancel(scene.parts.store, stored, "sold")
    aged = msgspec.structs.replace(ended.record, updated_at=LONG_AGO)
    await scene.parts.store.replace(A_TENANT, ended.etag, aged)

    assert 1 == await Unannounced(scene.parts).look()

    approval = (await scene.parts.store.read(A_TENANT, ApprovalRecord, asked.id)).record
    assert "cancelled" == approval.status
    assert ["run-1"] == scene.prefect.cancelled
    assert (await scene.now(execution)).announced_at


async def test_a_run_that_carries_others_is_not_ended_with_one_of_them(scene: Scene) -> None:
    ended = await scene.given(status="failed", completed_at=LONG_AGO, flow_run_id="run-1")
    await scene.parts.store.create(A_TENANT, an_approval(execution_id=ended.id))
    scene.prefect_knows(
        a_flow_run(id="run-1", state="running", execution_ids=[ended.id, "another"])
    )

    assert 1 == await Unannounced(scene.parts).look()
    assert [] == scene.prefect.cancelled


# --- in a run that no worker can get --------------------------------------------------------------


async def test_a_run_whose_work_pool_was_deleted_is_deleted(scene: Scene) -> None:
    unreachable = a_flow_run(state="scheduled", in_a_queue=False)
    others = [
        a_flow_run(state="scheduled"),
        a_flow_run(state="running", in_a_queue=False),
        a_flow_run(state="scheduled", in_a_queue=False, execution_ids=[], job="outcome-sync"),
        a_flow_run(state="scheduled", in_a_queue=False, execution_ids=[], opens_for="0063X"),
        a_flow_run(state="scheduled", in_a_queue=False, state_name=AWAITING_RETRY),
    ]
    scene.prefect_knows(unreachable, *others)

    drift = UnqueuedRuns(scene.parts)
    assert 1 == await drift.look()
    assert (30.0, 10.0) == (drift.every_seconds, drift.retry_seconds)

    assert others == scene.prefect.runs


# --- open, and Prefect does not know its run ------------------------------------------------------


async def test_executions_of_a_vanished_run_go_on_together(scene: Scene) -> None:
    several = [await scene.given(status="running", flow_run_id="gone") for _ in range(3)]

    assert 1 == await VanishedRuns(scene.parts).look()

    [(tenant_id, execution_ids)] = scene.prefect.started
    assert (A_TENANT, sorted(one.id for one in several)) == (tenant_id, sorted(execution_ids))
    assert {None} == {(await scene.now(one)).flow_run_id for one in several}


async def test_a_run_in_the_place_of_a_vanished_one_is_found_by_its_opportunity(
    scene: Scene,
) -> None:
    await scene.given(status="awaiting_approval", flow_run_id="gone", subject="0063X1")
    for subject in ("0063X2", "0063X3"):
        await scene.given(status="running", flow_run_id="gone, too", subject=subject)

    await VanishedRuns(scene.parts).look()

    one, two = sorted(scene.prefect.names, key=len)
    assert "Opportunity 0063X1" == one
    assert two in ("2 opportunities: 0063X2, 0063X3", "2 opportunities: 0063X3, 0063X2")


async def test_one_that_awaits_a_person_goes_on_alone(scene: Scene) -> None:
    for _ in range(2):
        await scene.given(status="awaiting_approval", flow_run_id="gone")

    assert 2 == await VanishedRuns(scene.parts).look()

    assert [1, 1] == [len(execution_ids) for _, execution_ids in scene.prefect.started]


async def test_one_that_waits_for_its_new_run_is_not_given_another(scene: Scene) -> None:
    waiting = await scene.given(status="running", flow_run_id=None)
    scene.prefect_knows(a_flow_run(state="scheduled", execution_ids=[waiting.id]))

    assert 0 == await VanishedRuns(scene.parts).look()


async def test_one_that_a_crash_left_without_a_run_gets_one(scene: Scene) -> None:
    left = await scene.given(status="awaiting_approval", flow_run_id=None)

    assert 1 == await VanishedRuns(scene.parts).look()
    assert [(A_TENANT, [left.id])] == scene.prefect.started


async def test_one_whose_run_completed_without_it_goes_on(scene: Scene) -> None:
    await scene.given(status="running", flow_run_id="done")
    scene.prefect_knows(a_flow_run(id="done", state="completed", state_at=LONG_AGO))

    assert 1 == await VanishedRuns(scene.parts).look()


@pytest.mark.parametrize(
    "state", ["scheduled", "pending", "running", "paused", "cancelling", "crashed", "failed"]
)
async def test_one_whose_run_prefect_knows_is_left_alone(scene: Scene, state: str) -> None:
    await scene.given(status="running", flow_run_id="known")
    scene.prefect_knows(a_flow_run(id="known", state=state, state_at=LONG_AGO))

    assert 0 == await VanishedRuns(scene.parts).look()


async def test_one_that_a_living_worker_holds_is_left_alone_whatever_prefect_knows(
    scene: Scene,
) -> None:
    await scene.given(status="running", flow_run_id="gone")
    await scene.a_worker("gone")

    assert 0 == await VanishedRuns(scene.parts).look()


async def test_one_that_moved_a_moment_ago_is_left_alone(scene: Scene) -> None:
    await scene.given(status="running", flow_run_id="gone", updated_at=now())

    assert 0 == await VanishedRuns(scene.parts).look()


async def test_while_prefect_refuses_nothing_is_forgotten(scene: Scene) -> None:
    await scene.given(status="running", flow_run_id="gone")
    scene.prefect.is_down = True
    drift = VanishedRuns(scene.parts)

    with pytest.raises(Unavailable):
        await drift.look()
    scene.prefect.is_down = False
    await given_time(scene)

    assert 1 == await drift.look()


async def given_time(scene: Scene) -> None:
    """Every execution last moved long ago."""
    page = await scene.parts.store.query(A_TENANT, Query(ExecutionRecord))
    for stored in page.items:
        older = msgspec.structs.replace(stored.record, updated_at=LONG_AGO)
        await scene.parts.store.replace(A_TENANT, stored.etag, older)


# --- accepted, and in no flow run -----------------------------------------------------------------


async def test_dispatchers_are_notified_of_a_pending_execution_that_no_run_carries(
    scene: Scene,
) -> None:
    left = await scene.given(priority=7)
    drift = Undispatched(scene.parts)

    async with opened_executions(scene) as received:
        assert (1, 0) == (await drift.look(), await drift.look()), (
            "sent until it is received, counted once"
        )
        await eventually(lambda: are_received(received, 2))

    assert {(left.id, 7)} == {(one.execution_id, one.priority) for one in received}


async def test_a_retried_execution_is_as_old_as_its_retry(scene: Scene) -> None:
    retried = PreviousOutcome(status="failed", completed_at=LONG_AGO, retried_at=now())
    await scene.given(previous_outcomes=[retried])

    assert 0 == await Undispatched(scene.parts).look()


@pytest.mark.parametrize("state", ["scheduled", "pending", "running"])
async def test_one_that_a_run_carries_is_dispatched(scene: Scene, state: str) -> None:
    waiting = await scene.given()
    scene.prefect_knows(a_flow_run(state=state, execution_ids=[waiting.id]))

    assert 0 == await Undispatched(scene.parts).look()


async def test_one_that_waits_for_its_tenants_turn_is_not_lost(scene: Scene) -> None:
    await scene.given()
    scene.prefect_knows(a_flow_run(state="scheduled", tenant_id=A_TENANT))

    assert 0 == await Undispatched(scene.parts).look()


async def test_one_that_its_tenants_limit_holds_back_is_not_lost(scene: Scene) -> None:
    await scene.given()
    share = TenantShare(running_max=0)
    await change_policy(
        scene.parts.store, scene.parts.bus, lambda policy: with_share(policy, A_TENANT, share)
    )

    assert 0 == await Undispatched(scene.parts).look()


@asynccontextmanager
async def opened_executions(scene: Scene) -> AsyncIterator[list[signals.Opened]]:
    received: list[signals.Opened] = []

    async def receive(body: bytes) -> None:
        received.append(msgspec.json.decode(body, type=signals.Opened))

    async with scene.parts.bus.listen(signals.EXECUTION_OPENED, receive):
        yield received


async def are_received(received: list[signals.Opened], count: int) -> bool:
    return len(received) == count


# --- in a run without a worker --------------------------------------------------------------------


async def test_runs_of_a_dead_worker_run_again_and_its_record_goes(scene: Scene) -> None:
    dead = await scene.a_worker("lost", silent_for=timedelta(minutes=1))
    await scene.a_worker("held")
    scene.prefect_knows(
        *(
            a_flow_run(id=id, state=state, state_at=LONG_AGO)
            for id, state in [("lost", "running"), ("held", "running")]
        ),
        a_flow_run(id="stuck", state="pending", state_at=LONG_AGO),
        a_flow_run(id="new", state="pending"),
    )

    drift = LostRuns(scene.parts)
    assert 1 == await drift.look()
    assert ["lost"] == scene.prefect.rescheduled, "known from its heartbeat, it goes first"
    scene.prefect.runs = [run for run in scene.prefect.runs if run.id != "lost"]
    assert 1 == await drift.look()

    assert ["lost", "stuck"] == scene.prefect.rescheduled
    with pytest.raises(NotFound):
        await scene.parts.store.read(ids.SYSTEM_TENANT, ProcessRecord, dead.id)


async def test_a_run_in_a_process_of_its_own_has_minutes_to_show_that_it_lives(
    scene: Scene,
) -> None:
    two_minutes_ago = now() - timedelta(minutes=2)
    scene.prefect_knows(
        a_flow_run(id="starting", state="pending", state_at=two_minutes_ago, own_process=True),
        a_flow_run(id="claimed", state="pending", state_at=two_minutes_ago),
        a_flow_run(id="silent", state="running", state_at=LONG_AGO, own_process=True),
    )

    assert 2 == await LostRuns(scene.parts).look()

    assert ["claimed", "silent"] == sorted(scene.prefect.rescheduled)


async def test_what_began_within_an_interval_of_a_workers_last_heartbeat_was_its_own(
    scene: Scene,
) -> None:
    settings = scene.parts.settings
    slow_beat = replace(settings, worker=replace(settings.worker, heartbeat_seconds=40.0))
    dead = await scene.a_worker("in the last beat", "later", silent_for=timedelta(seconds=41))
    in_the_last_beat, later = (
        dead.beat_at + timedelta(seconds=39),
        dead.beat_at + timedelta(seconds=40),
    )
    scene.prefect_knows(
        a_flow_run(id="in the last beat", state="running", state_at=in_the_last_beat),
        a_flow_run(id="later", state="running", state_at=later),
        a_flow_run(id="another's", state="running", state_at=in_the_last_beat),
    )

    assert 1 == await LostRuns(replace(scene.parts, settings=slow_beat)).look()
    assert ["in the last beat"] == scene.prefect.rescheduled


async def test_a_worker_whose_clock_is_behind_lives_as_long_as_it_shows_new_signs(
    scene: Scene,
) -> None:
    seconds = [0.0]
    workers = Workers(scene.parts.store, lost_after_seconds=4, clock=lambda: seconds[-1])
    behind = await scene.a_worker(silent_for=timedelta(seconds=5))
    for _ in range(4):
        stored = await scene.parts.store.read(ids.SYSTEM_TENANT, ProcessRecord, behind.id)
        later = replace(stored.record, beat_at=stored.record.beat_at + SECOND)
        await scene.parts.store.replace(ids.SYSTEM_TENANT, stored.etag, later)
        seconds.append(seconds[-1] + 3)
        assert [] == (await workers.call()).dead

    seconds.append(seconds[-1] + 5)
    assert [behind.id] == [worker.id for worker in (await workers.call()).dead]


async def test_a_worker_of_this_machine_is_dead_as_soon_as_its_process_has_ended(
    scene: Scene,
) -> None:
    held = await scene.given(status="running", flow_run_id="held")
    worker = a_process(flow_run_ids=["held"], process=this_process())
    stored = await scene.parts.store.create(ids.SYSTEM_TENANT, worker)
    running = a_flow_run(id="held", state="running", state_at=now(), execution_ids=[held.id])
    scene.prefect_knows(running)
    assert 0 == await LostRuns(scene.parts).look()

    ended = replace(worker, process=f"{worker.process}1")
    await scene.parts.store.replace(ids.SYSTEM_TENANT, stored.etag, ended)

    assert 1 == await LostRuns(scene.parts).look()
    assert ["held"] == scene.prefect.rescheduled


async def test_a_run_that_was_being_cancelled_when_its_worker_died_is_cancelled(
    scene: Scene,
) -> None:
    execution = await scene.given(status="running", flow_run_id="lost")
    scene.prefect_knows(
        a_flow_run(id="lost", state="cancelling", state_at=LONG_AGO, execution_ids=[execution.id])
    )

    assert 1 == await LostRuns(scene.parts).look()

    assert (["lost"], []) == (scene.prefect.marked_cancelled, scene.prefect.rescheduled)
    assert "cancelled" == (ended := await scene.now(execution)).status
    assert ended.announced_at


@pytest.mark.parametrize("state", ["running", "crashed"])
async def test_a_run_that_has_lost_its_worker_too_often_ends_with_what_it_held(
    scene: Scene, state: str
) -> None:
    """One of its executions may be what kills its worker: it must not take it down for ever."""
    executions = [await scene.given(status="running", flow_run_id="lost") for _ in range(2)]
    scene.prefect_knows(
        a_flow_run(
            id="lost",
            state=state,
            state_at=LONG_AGO,
            run_count=RESCHEDULES_MAX + 1,
            execution_ids=[execution.id for execution in executions],
        )
    )
    kind = LostRuns if state == "running" else EndedRuns

    scene.prefect.rescheduled = ["lost"] * (RESCHEDULES_MAX - 1)
    assert 1 == await kind(scene.parts).look()
    assert {"running"} == {(await scene.now(one)).status for one in executions}

    assert RESCHEDULES_MAX == len(scene.prefect.rescheduled)
    assert 1 == await kind(scene.parts).look()
    assert {("failed", rejections.WORKER_LOST)} == {
        ((ended := await scene.now(one)).status, ended.error_code) for one in executions
    }
    assert RESCHEDULES_MAX == len(scene.prefect.rescheduled)
    assert (["lost"] if state == "running" else []) == scene.prefect.marked_crashed


async def test_what_a_run_refused_is_not_its_own(scene: Scene) -> None:
    waiting = await scene.given()
    scene.prefect_knows(a_flow_run(state="failed", state_name=REFUSED, execution_ids=[waiting.id]))

    assert 0 == await EndedRuns(scene.parts).look()
    assert "pending" == (await scene.now(waiting)).status


@pytest.mark.parametrize(("state", "repaired"), [("crashed", 1), ("failed", 0)])
async def test_a_run_started_by_hand_that_crashed_before_it_opened_its_execution_runs_again(
    scene: Scene, state: str, repaired: int
) -> None:
    run = a_flow_run(state=state, execution_ids=[], opens_for="006")
    scene.prefect_knows(run)

    assert repaired == await EndedRuns(scene.parts).look()
    assert [run.id] * repaired == scene.prefect.rescheduled


async def test_the_execution_that_a_run_started_by_hand_has_opened_ends_with_it(
    scene: Scene,
) -> None:
    opened = await scene.given(status="running", flow_run_id="by-hand")
    await scene.given(status="running", flow_run_id="another")
    scene.prefect_knows(
        a_flow_run(
            id="by-hand", state="failed", state_name="Failed", execution_ids=[], opens_for="006"
        )
    )

    assert 1 == await EndedRuns(scene.parts).look()
    assert ("failed", rejections.RUN_FAILED) == (
        (ended := await scene.now(opened)).status,
        ended.error_code,
    )


async def test_what_has_joined_a_run_ends_with_it_though_the_run_does_not_list_it(
    scene: Scene,
) -> None:
    first = await scene.given(status="running", flow_run_id="open")
    joined = await scene.given(status="running", flow_run_id="open")
    elsewhere = await scene.given(status="running", flow_run_id="another")
    scene.prefect_knows(
        a_flow_run(id="open", state="cancelled", message="not today", execution_ids=[first.id])
    )

    assert 1 == await EndedRuns(scene.parts).look()
    assert {"cancelled"} == {(await scene.now(one)).status for one in (first, joined)}
    assert "running" == (await scene.now(elsewhere)).status


async def test_what_an_error_kept_from_its_end_ends_later_however_long_ago_its_run_ended(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    execution = await scene.given(status="running", flow_run_id="failed")
    scene.prefect_knows(
        a_flow_run(
            id="failed",
            state="failed",
            state_name="Failed",
            state_at=now() - timedelta(hours=2),  # the first look covers days, each later one less
            execution_ids=[execution.id],
        )
    )
    every_look_is_long = (3600.0 * look for look in count())
    monkeypatch.setattr(ended_runs, "monotonic", lambda: next(every_look_is_long))

    async def fails(*_: object) -> None:
        raise ValueError("damaged")

    drift = EndedRuns(scene.parts)
    with monkeypatch.context() as damaged:
        damaged.setattr(transitions, "fail", fails)
        assert (0, 0) == (await drift.look(), await drift.look())

    assert (1, 0) == (await drift.look(), await drift.look())
    assert "failed" == (await scene.now(execution)).status


async def test_ended_runs_are_listed_again_only_for_a_moment(scene: Scene) -> None:
    """Runs fail as often as their executions do."""
    drift = EndedRuns(scene.parts)

    for _ in range(2):
        await drift.look()

    first, second = (now() - since for since in scene.prefect.listed_since if since)
    assert first > timedelta(days=7)
    assert second < timedelta(minutes=2)


async def test_a_run_that_began_often_for_other_reasons_runs_again(scene: Scene) -> None:
    """After each of many approvals, say."""
    execution = await scene.given(status="running", flow_run_id="lost")
    scene.prefect_knows(
        a_flow_run(
            id="lost",
            state="running",
            state_at=LONG_AGO,
            run_count=5 * RESCHEDULES_MAX,
            execution_ids=[execution.id],
        )
    )

    assert 1 == await LostRuns(scene.parts).look()

    assert ["lost"] == scene.prefect.rescheduled
    assert "running" == (await scene.now(execution)).status


# --- all kinds ------------------------------------------------------------------------------------


async def test_one_that_cannot_be_repaired_does_not_keep_the_others_from_it(scene: Scene) -> None:
    class Trouble(Drift[int]):
        kind = "trouble"

        async def find(self) -> list[int]:
            return [1, 2, 3]

        async def act(self, found: int) -> bool:
            if found == 2:
                raise ValueError("a bug")
            return True

    assert 2 == await Trouble(scene.parts).look()


async def test_two_reconcilers_at_once_end_an_execution_once(scene: Scene) -> None:
    execution = await scene.given(status="running", flow_run_id="run-1")
    scene.prefect_knows(
        a_flow_run(id="run-1", state="failed", state_name="Failed", execution_ids=[execution.id])
    )

    async with ledger_of(scene.parts.bus, "twice") as ledger:
        repaired = await asyncio.gather(*(EndedRuns(scene.parts).look() for _ in range(2)))
        events = await ledger.published("workflow.opportunity.analysis.failed")

    assert (1, 1) == (sum(repaired), len({event["id"] for event in events}))


# --- running, long after its deadline -------------------------------------------------------------


def overdue_since(seconds: float, *, timeout_seconds: float = 300) -> dict[str, Any]:
    """A running execution that should have ended so long ago."""
    began = now() - timedelta(seconds=seconds + timeout_seconds)
    return {"status": "running", "started_at": began, "updated_at": began, "definition_version": 0}


async def test_one_that_runs_past_its_deadline_is_ended_and_announced_once(scene: Scene) -> None:
    late = await scene.given(**overdue_since(310))
    held = await scene.parts.store.read(A_TENANT, ExecutionRecord, late.id)
    drift = OverdueExecutions(scene.parts)

    async with ledger_of(scene.parts.bus, "overdue") as ledger:
        assert (1, 0) == (await drift.look(), await drift.look())
        [announced] = await ledger.published("workflow.opportunity.analysis.failed")

    ended = await scene.now(late)
    assert ("failed", "deadline-passed") == (ended.status, ended.error_code)
    assert ids.terminal_event_id(late.id) == announced["id"]
    with pytest.raises(Stale):  # a worker that wakes up later writes nothing
        await transitions.complete(scene.parts.store, held)


async def test_one_that_is_overdue_shows_before_it_is_ended(scene: Scene) -> None:
    late = await scene.given(**overdue_since(100))

    assert 0 == await OverdueExecutions(scene.parts).look()

    assert 1 == work.OVERDUE._value.get()
    assert "running" == (await scene.now(late)).status


async def test_what_is_only_noted_on_an_execution_does_not_postpone_its_deadline(
    scene: Scene,
) -> None:
    late = await scene.given(**overdue_since(310))
    stored = await scene.parts.store.read(A_TENANT, ExecutionRecord, late.id)
    refused = RefusedAnswer(
        step="forecast",
        code="schema-invalid",
        reason="no",
        event_id="e",
        dead_letter_id="d",
        at=now(),
    )
    noted = await transitions.change(scene.parts.store, stored, refused_answers=[refused])
    attached = await transitions.change(scene.parts.store, noted, approval_ids=["an-approval"])
    assert attached.record.updated_at > late.updated_at

    assert 1 == await OverdueExecutions(scene.parts).look()


LONG_OVERDUE = overdue_since(7200)


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "pending", "started_at": None},
        {"status": "awaiting_approval"},
        {"status": "awaiting_approval", "flow_run_id": None},
        # Tests may run long after they were collected: these moments lie ahead.
        {"held_since": now() + timedelta(hours=1)},  # another worker has just claimed it
        {"started_at": now() + timedelta(hours=1)},  # it was retried
        {"workflow": "batch-job"},
        {"status": "completed", "completed_at": LONG_AGO},
    ],
)
async def test_one_that_has_its_time_yet_is_not_overdue(
    scene: Scene, changes: dict[str, Any]
) -> None:
    await scene.given(**{**LONG_OVERDUE, **changes})

    assert 0 == await OverdueExecutions(scene.parts).look()
    assert 0 == work.OVERDUE._value.get()


async def test_the_longest_step_of_the_definition_that_it_keeps_makes_the_deadline(
    scene: Scene,
) -> None:
    slow_forecast = WantedStep(timeout_seconds=3000)
    wanted = WantedDefinition(step_timeout_seconds=60, steps={"forecast": slow_forecast})
    kept = await set_definition(scene.parts.store, A_TENANT, WORKFLOW, scene.parts.settings, wanted)
    quick = WantedDefinition(step_timeout_seconds=60)
    await set_definition(scene.parts.store, A_TENANT, WORKFLOW, scene.parts.settings, quick)
    slow = await scene.given(**overdue_since(310) | {"definition_version": kept.version})
    fast = await scene.given(**overdue_since(310) | {"definition_version": kept.version + 1})

    assert 1 == await OverdueExecutions(scene.parts).look()

    assert ["running", "failed"] == [(await scene.now(one)).status for one in (slow, fast)]
