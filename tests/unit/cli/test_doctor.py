"""The doctor's checks, on the real embedded store and bus: one line for what is well, what is not,
and what to do.
"""

import re
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from prefect.client.orchestration import PrefectClient

from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.records import ExecutionRecord, Look
from blocks.contracts.records.base import CONTAINERS
from blocks.dead_letters.letters import keep
from blocks.ports import Delivery, Message, QueueView, Reject, Verdict
from blocks.services import open_bus, open_store
from blocks.settings import Settings, load_settings
from blocks.topology import intake_queue, topology
from deployments.doctor.checks import broker, clocks, dead_letters, processes, reconciler, work
from deployments.doctor.checks.approvals import approvals
from deployments.doctor.checks.store import ONE_OF_EACH
from deployments.doctor.checks.table import examine
from deployments.doctor.connections import Connections
from deployments.doctor.finding import Finding, failed, in_words, ok, warning, worst
from deployments.doctor.report import print_json, print_report
from tests.support.factories import (
    A_TENANT,
    a_dead_letter,
    a_process,
    a_reconciler_record,
    a_tenant_record,
    an_approval,
    an_execution,
    new_id,
    now,
)
from tests.support.waiting import eventually

MINUTE = timedelta(minutes=1)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings({"ORCHESTRATOR_DATA_DIR": str(tmp_path)})


@pytest.fixture
async def connections(settings: Settings) -> AsyncIterator[Connections]:
    """A system whose Prefect server is not looked at."""
    async with open_store(settings) as store, open_bus(settings, "test") as bus:
        await store.create(SYSTEM_TENANT, a_tenant_record(tenant=A_TENANT))
        await bus.declare(*topology(settings))
        yield Connections(settings, store, bus)


async def given(connections: Connections, **changes: Any) -> ExecutionRecord:
    assert connections.store
    return (await connections.store.create(A_TENANT, an_execution(**changes))).record


def not_ok(findings: Sequence[Finding]) -> list[tuple[str, str]]:
    return [(finding.state, finding.found) for finding in findings if finding.state != "ok"]


# --- what lies too long ---------------------------------------------------------------------------


def test_every_container_is_looked_at() -> None:
    assert sorted(CONTAINERS) == sorted(kind.container for kind in ONE_OF_EACH)


async def test_young_executions_are_no_trouble(connections: Connections) -> None:
    await given(connections)
    await given(connections, status="running", started_at=now())
    await given(connections, status="awaiting_approval", created_at=now() - timedelta(days=3))
    await given(connections, status="completed", completed_at=now())

    findings = await work.work(connections)

    assert [] == not_ok(findings)
    assert any(re.fullmatch(r"pending: 1, the oldest for \d+ s", one.found) for one in findings)


@pytest.mark.parametrize(
    ("status", "since", "ago", "expected"),
    [
        ("pending", "created_at", 2 * MINUTE, "warning"),
        ("pending", "created_at", 20 * MINUTE, "failed"),
        ("completed", "completed_at", 2 * MINUTE, "warning"),
        ("failed", "completed_at", 10 * MINUTE, "failed"),
        ("awaiting_approval", "created_at", timedelta(days=30), "warning"),
    ],
)
async def test_what_lies_too_long_is_named(
    connections: Connections, status: str, since: str, ago: timedelta, expected: str
) -> None:
    execution = await given(connections, status=status, **{since: now() - ago})

    [(state, found)] = not_ok(await work.work(connections))

    assert expected == state
    assert execution.id in found


async def test_one_that_runs_long_within_its_deadline_is_only_pointed_out(
    connections: Connections,
) -> None:
    """A run that has claimed it again still has its chance."""
    execution = await given(
        connections, status="running", started_at=now() - 15 * MINUTE, held_since=now()
    )

    [(state, found)] = not_ok(await work.work(connections))

    assert "warning" == state
    assert execution.id in found


async def test_an_execution_past_its_deadline_is_named_with_what_to_do(
    connections: Connections,
) -> None:
    began = now() - timedelta(seconds=connections.settings.analysis.step_timeout_seconds + 70)
    execution = await given(connections, status="running", started_at=began, updated_at=began)
    await given(connections, status="awaiting_approval", started_at=began, updated_at=began)

    [overdue] = [
        finding for finding in await work.work(connections) if "their deadline" in finding.found
    ]

    assert "failed" == overdue.state
    assert overdue.found.startswith("past their deadline: 1, the oldest for 70 s")
    assert execution.id in overdue.found
    assert "/ready" in overdue.todo


async def test_an_approval_past_its_time_is_named(connections: Connections) -> None:
    assert connections.store
    await connections.store.create(A_TENANT, an_approval(expires_at=now() + MINUTE))
    assert [] == not_ok(await approvals(connections))

    await connections.store.create(A_TENANT, an_approval(expires_at=now() - 5 * MINUTE))
    assert [("failed", "1 past their time, the oldest for 5 min")] == not_ok(
        await approvals(connections)
    )


async def test_a_decision_from_which_nothing_follows_is_named(connections: Connections) -> None:
    assert connections.store
    left = an_approval(status="approved", decided_by="ann", decided_at=now() - 5 * MINUTE)
    await connections.store.create(A_TENANT, left)

    [(state, found)] = not_ok(await approvals(connections))

    assert "failed" == state
    assert left.id in found


# --- queues ---------------------------------------------------------------------------------------


async def test_dead_letters_are_counted(connections: Connections) -> None:
    assert connections.bus
    assert [] == not_ok(await dead_letters.dead_letters(connections))
    queue = intake_queue(connections.settings)

    async def refuse(_: Delivery) -> Verdict:
        return Reject(code="schema-invalid", reason="of the test")

    message = Message(
        id=new_id(), routing_key="integration.opportunity.updated", body=b"{}", timestamp=now()
    )
    async with connections.bus.consume(queue, refuse):
        await connections.bus.publish(message)
        await eventually(lambda: depth_of(connections, queue.dead_letters))

    assert [("warning", f"1 in {queue.dead_letters}")] == not_ok(
        await dead_letters.dead_letters(connections)
    )


async def test_dead_letters_that_wait_are_counted_by_code(connections: Connections) -> None:
    assert connections.store
    for code in ("poison", "poison", "too-large"):
        await keep(connections.store, "any", a_dead_letter(code=code))

    assert [("warning", "2 poison"), ("warning", "1 too-large")] == not_ok(
        await dead_letters.dead_letters(connections)
    )


async def depth_of(connections: Connections, queue: str) -> int:
    assert connections.bus
    return await connections.bus.depth(queue)


async def test_a_queue_that_does_not_exist_is_named(settings: Settings) -> None:
    async with open_bus(settings, "test") as bus:
        findings = await broker.broker(Connections(settings, bus=bus))

    assert ["ok", "failed", "failed", "failed"] == [finding.state for finding in findings]
    assert "run `orchestrator bootstrap`" == findings[1].todo


@pytest.mark.parametrize(
    ("view", "is_ours", "expected"),
    [
        (QueueView(ready=3, consumers=2), True, "ok"),
        (QueueView(ready=3, consumers=None), True, "ok"),
        (QueueView(ready=3, consumers=0), True, "failed"),
        (QueueView(ready=3, consumers=0), False, "warning"),
        (QueueView(ready=5_000, consumers=2), True, "warning"),
    ],
    ids=str,
)
def test_a_queue_needs_readers_that_keep_up(view: QueueView, is_ours: bool, expected: str) -> None:
    assert expected == broker._judged("q", view, is_ours=is_ours).state


# --- processes ------------------------------------------------------------------------------------


async def test_a_role_without_a_process_is_named(connections: Connections) -> None:
    assert connections.store
    await connections.store.create(
        SYSTEM_TENANT, a_process(role="worker", beat_at=now() - 10 * MINUTE)
    )

    assert [
        ("failed", "none has sent a heartbeat since the last one stopped"),
        ("failed", "none lives; the last heartbeat is 10 min old"),
    ] == not_ok(await processes.processes(connections))


async def test_one_that_is_not_ready_is_named(connections: Connections) -> None:
    assert connections.store
    await connections.store.create(SYSTEM_TENANT, a_process(role="worker"))
    await connections.store.create(SYSTEM_TENANT, a_process(role="listener", ready=False))

    assert [("failed", "1 alive, none ready")] == not_ok(await processes.processes(connections))


async def test_a_heartbeat_from_the_future_is_a_clock_that_is_ahead(
    connections: Connections,
) -> None:
    assert connections.store
    await connections.store.create(SYSTEM_TENANT, a_process(beat_at=now() + timedelta(seconds=20)))

    assert [("warning", "against the clock here: a worker 20 s ahead")] == not_ok(
        await clocks.clocks(connections)
    )


async def test_a_machine_whose_clock_is_behind_is_reported(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("blocks.clock._correction", timedelta(minutes=10))
    # opening it has set the clock
    seen = Connections(settings, prefect=PrefectClient("http://127.0.0.1:4200/api"))

    assert [("failed", "against Prefect's clock: this machine 600 s behind")] == not_ok(
        await clocks.clocks(seen)
    )


# --- the reconciler -------------------------------------------------------------------------------


async def test_the_leader_says_what_it_repaired(connections: Connections) -> None:
    assert connections.store
    looks = {
        "lost_run": Look(at=now(), seconds=0.1, repaired=3),
        "unannounced": Look(at=now(), seconds=0.1),
    }
    leads = a_reconciler_record(leads_since=now() - 10 * MINUTE, looks=looks)
    await connections.store.create(SYSTEM_TENANT, leads)

    [finding] = await reconciler.reconciler(connections)

    assert "ok" == finding.state
    assert finding.found.startswith(
        "host:1:abcd leads for 10 min, looked 0 s ago; repaired so far: 3 lost_run"
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (lambda: {"leader": None}, "failed"),
        (lambda: {"renewed_at": now() - MINUTE}, "failed"),
        (lambda: {"looks": {"lost_run": Look(at=now() - 10 * MINUTE, seconds=1)}}, "failed"),
        (
            lambda: {
                "looks": {"lost_run": Look(at=now(), seconds=1, error="Prefect does not answer")}
            },
            "warning",
        ),
    ],
    ids=["released", "silent", "stuck", "blind"],
)
async def test_a_reconciler_that_does_not_look_is_named(
    connections: Connections, changes: Callable[[], dict[str, Any]], expected: str
) -> None:
    assert connections.store
    await connections.store.create(SYSTEM_TENANT, a_reconciler_record(**changes()))

    assert expected == worst(await reconciler.reconciler(connections))


async def test_without_any_reconciler_the_doctor_reports_it(connections: Connections) -> None:
    assert [
        ("failed", "none has ever led: nothing that a crash leaves behind is repaired")
    ] == not_ok(await reconciler.reconciler(connections))


# --- the whole ------------------------------------------------------------------------------------


async def test_a_dead_part_is_one_line_that_says_what_cannot_be_seen(settings: Settings) -> None:
    dead = Connections(settings, unavailable=[failed("store", "no answer in 5 s", "start it")])

    findings = await examine(dead)

    unseen = "processes, reconciler, executions, journeys, approvals, dead letters"
    assert [("failed", f"no answer in 5 s; not looked at without it: {unseen}")] == not_ok(findings)


async def test_a_check_that_breaks_is_one_line(
    connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("a bug\nof two lines")

    monkeypatch.setattr(connections.store, "count", broken)

    assert ("failed", "this check failed: a bug of two lines") in not_ok(await examine(connections))


def test_the_worst_comes_first_and_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    print_report(
        [ok("a", "fine"), warning("b", "slow [x]", "wait"), failed("c", "dead", "start it")],
        {"lost_run": 2},
    )

    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["Repaired:", "2", "lost_run"] == lines[0]
    assert ["c", "failed", "dead", "start", "it"] == lines[3]
    assert ["b", "warning", "slow", "[x]", "wait"] == lines[4]
    assert ["a", "ok", "fine"] == lines[5]
    assert "Something does not work." == " ".join(lines[-1])


def test_the_report_as_json_has_every_finding(capsys: pytest.CaptureFixture[str]) -> None:
    print_json([ok("a", "fine"), warning("b", "slow", "wait")], None)

    report = msgspec.json.decode(capsys.readouterr().out)
    assert {"part": "b", "state": "warning", "found": "slow", "todo": "wait"} == report["findings"][
        1
    ]
    assert ("warning", {"state", "findings"}) == (report["state"], set(report))


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        (timedelta(seconds=-3), "0 s"),
        (timedelta(seconds=45), "45 s"),
        (timedelta(minutes=12), "12 min"),
        (timedelta(hours=3), "3 h"),
        (timedelta(days=5), "5 d"),
    ],
)
def test_ages_are_shown_in_readable_units(age: timedelta, expected: str) -> None:
    assert expected == in_words(age)
