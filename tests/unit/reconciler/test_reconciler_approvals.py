"""The reconciler's part in approvals, on the real embedded store and bus: time passes, what is owed
is done.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from statistics import median
from time import monotonic
from typing import Any

import msgspec
import pytest

from api.reconciler import Parts
from api.reconciler.kinds.approvals import OverdueApprovals, UnfollowedApprovals
from blocks.approvals import lifecycle
from blocks.approvals.changes import extended
from blocks.approvals.timers import NEVER, with_next_look
from blocks.clock import utc_now
from blocks.contracts import ids
from blocks.contracts.approvals import ApprovalPolicy, Approvers, Decision, Escalation, HistoryEntry
from blocks.contracts.records import ApprovalRecord
from blocks.ports import Message, Query, RecordStore
from blocks.services import open_bus, open_store
from blocks.settings import load_settings
from tests.support.factories import A_TENANT, a_tenant_record, an_approval, an_execution, now
from tests.support.flow_runs import RememberedFlowRuns

PAST, FUTURE, LATER = (
    now() - timedelta(seconds=1),
    now() + timedelta(days=1),
    now() + timedelta(days=2),
)


class Scene(msgspec.Struct):
    """The reconciler's part in approvals and what it works on; `published` is what it published."""

    store: RecordStore
    flow_runs: RememberedFlowRuns
    drifts: tuple[OverdueApprovals, UnfollowedApprovals]
    published: list[dict[str, Any]]

    async def look(self) -> int:
        """The reconciler looks once; returns how many approvals were not as they should be."""
        return sum([await drift.look() for drift in self.drifts])

    async def after(self, approval: ApprovalRecord) -> ApprovalRecord:
        """The approval once the sweep has looked at it."""
        await self.store.create(A_TENANT, approval)
        await self.look()
        return (await self.store.read(A_TENANT, ApprovalRecord, approval.id)).record


@pytest.fixture
async def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    settings = load_settings({"ORCHESTRATOR_DATA_DIR": str(tmp_path)})
    async with open_store(settings) as store, open_bus(settings, "test") as bus:
        await store.create(ids.SYSTEM_TENANT, a_tenant_record(tenant=A_TENANT))
        published: list[dict[str, Any]] = []
        publish = bus.publish

        async def keep_published(*messages: Message, required: bool = False) -> None:
            published.extend(msgspec.json.decode(message.body) for message in messages)
            await publish(*messages, required=required)

        monkeypatch.setattr(bus, "publish", keep_published)
        flow_runs = RememberedFlowRuns()
        parts = Parts.of(settings, store, bus, flow_runs)
        yield Scene(
            store, flow_runs, (OverdueApprovals(parts), UnfollowedApprovals(parts)), published
        )


async def test_an_approval_expires_and_the_platform_is_informed_once(scene: Scene) -> None:
    approval = await scene.after(
        an_approval(expires_at=PAST, on_expiry="approve", execution_id=None)
    )
    await scene.look()

    assert ("expired", "clock") == (approval.status, approval.decided_by)
    assert [("hitl.approval.completed", True)] == [
        (event["type"], event["data"]["approved"]) for event in scene.published
    ]


async def test_one_that_still_has_time_is_left_alone(scene: Scene) -> None:
    waiting = with_next_look(an_approval(expires_at=FUTURE, reminders=[FUTURE]))

    assert waiting == await scene.after(waiting)


@pytest.mark.parametrize(
    ("changes", "next_at"),
    [
        ({}, NEVER),
        ({"expires_at": FUTURE}, FUTURE.timestamp()),
        ({"expires_at": LATER, "reminders": [LATER, FUTURE]}, FUTURE.timestamp()),
        (
            {"expires_at": LATER, "escalations": [Escalation(at=FUTURE, approvers=Approvers())]},
            FUTURE.timestamp(),
        ),
        ({"history": [HistoryEntry(what="requested", at=PAST)]}, None),
        ({"status": "approved"}, None),
    ],
    ids=[
        "nothing",
        "expiry",
        "reminder",
        "escalation",
        "its request, unpublished",
        "its outcome, unpublished",
    ],
)
def test_an_approval_is_looked_at_when_the_first_thing_falls_due(
    changes: dict[str, Any], next_at: float
) -> None:
    assert next_at == with_next_look(an_approval(**changes)).next_at


async def test_one_written_before_records_stated_when_to_look_is_looked_at_once(
    scene: Scene,
) -> None:
    old = an_approval(expires_at=FUTURE)
    assert old.next_at is None

    assert FUTURE.timestamp() == (await scene.after(old)).next_at
    assert 0 == await scene.look()


async def test_time_that_is_added_moves_the_next_look(scene: Scene) -> None:
    approval = await scene.after(an_approval(expires_at=FUTURE))

    await lifecycle.change(
        scene.store,
        A_TENANT,
        approval.id,
        lambda one: extended(one, "ann", frozenset(), LATER, utc_now()),
    )
    await scene.look()

    assert (
        LATER.timestamp()
        == (await scene.store.read(A_TENANT, ApprovalRecord, approval.id)).record.next_at
    )


async def test_reminders_that_fell_due_together_are_one(scene: Scene) -> None:
    approval = await scene.after(an_approval(reminders=[PAST, PAST, FUTURE]))
    await scene.look()

    assert ([FUTURE], "pending") == (approval.reminders, approval.status)
    assert ["hitl.approval.reminded"] == [event["type"] for event in scene.published]


async def test_an_escalation_asks_more_people(scene: Scene) -> None:
    anns = ApprovalPolicy(approvers=Approvers(users=("ann",)))
    more = Escalation(at=PAST, approvers=Approvers(users=("bob",), roles=("vp",)))
    approval = await scene.after(an_approval(policy=anns, escalations=[more]))

    assert Approvers(users=("ann", "bob"), roles=("vp",)) == approval.policy.approvers
    [event] = scene.published
    assert ("hitl.approval.escalated", ["ann", "bob"]) == (
        event["type"],
        event["data"]["approvers"],
    )


async def test_one_that_escalates_at_its_expiry_is_asked_as_long_again(scene: Scene) -> None:
    later = Escalation(at=FUTURE, approvers=Approvers(users=("bob",)))
    requested_at = PAST - timedelta(hours=1)
    approval = await scene.after(
        an_approval(
            requested_at=requested_at, expires_at=PAST, on_expiry="escalate", escalations=[later]
        )
    )

    assert ("pending", []) == (approval.status, approval.escalations)
    assert approval.expires_at
    assert timedelta(minutes=59) < approval.expires_at - utc_now() < timedelta(minutes=61)


async def test_a_decision_whose_announcement_and_resume_were_lost_is_followed_up(
    scene: Scene,
) -> None:
    waiting = an_execution(status="awaiting_approval", flow_run_id="run-1")
    await scene.store.create(A_TENANT, waiting)
    decided = an_approval(
        execution_id=waiting.id,
        status="approved",
        decided_by="ann",
        decided_at=PAST,
        decisions=[Decision(actor="ann", channel="api", outcome="approved", at=PAST)],
        history=[HistoryEntry(what="decided", at=PAST, actor="ann", outcome="approved")],
    )

    approval = await scene.after(decided)

    assert ["run-1"] == scene.flow_runs.resumed
    assert ["hitl.approval.completed"] == [event["type"] for event in scene.published]
    assert approval.settled_at is None  # until the execution has gone on
    stored = await scene.store.read(A_TENANT, type(waiting), waiting.id)
    await scene.store.replace(
        A_TENANT, stored.etag, msgspec.structs.replace(waiting, status="completed")
    )
    assert 1 == await scene.look()
    assert 0 == await scene.look()


async def test_of_three_hundred_a_third_expires_in_one_look(scene: Scene) -> None:
    for number in range(300):
        expires_at = PAST if number % 3 == 0 else FUTURE
        await scene.store.create(A_TENANT, an_approval(expires_at=expires_at, execution_id=None))
    started = monotonic()

    await scene.look()

    page = await scene.store.query(A_TENANT, Query(ApprovalRecord, limit=1000))
    assert {"expired": 100, "pending": 200} == Counter(
        stored.record.status for stored in page.items
    )
    assert monotonic() - started < 30
    assert 0 == await scene.look()


@pytest.mark.slow
async def test_a_look_at_twenty_thousand_that_wait_reads_none_of_them(
    scene: Scene, record_property: Callable[[str, object], None]
) -> None:
    for _ in range(20):
        waiting = (
            with_next_look(an_approval(expires_at=FUTURE, reminders=[FUTURE])) for _ in range(1000)
        )
        await asyncio.gather(*(scene.store.create(A_TENANT, one) for one in waiting))
    for _ in range(3):
        await scene.store.create(A_TENANT, an_approval(expires_at=PAST, execution_id=None))
    assert 3 == await scene.look()

    seconds = []
    for _ in range(10):
        started = monotonic()
        assert 0 == await scene.look()
        seconds.append(monotonic() - started)

    record_property("median look", f"{1000 * median(seconds):.1f} ms")
    assert median(seconds) < 0.1
