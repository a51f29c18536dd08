"""Records that cannot be read, of every kind: what goes through the records of all tenants leaves
them out, and goes on.
"""

from collections.abc import Iterator
from datetime import timedelta
from itertools import product
from pathlib import Path

from api.dead_letters.sweep import DeadLetterSweep
from api.idempotency import forget_old_answers
from api.jobs.metrics import JobMetrics
from api.reconciler import Parts
from api.reconciler.drifts import drifts
from api.reconciler.gauges import count_what_is_open
from api.reconciler.journal import Journal
from api.reconciler.kinds.lost_runs import LostRuns
from blocks.audit.recording import finish_lost_acts
from blocks.claims.log_keeping import LogKeeping
from blocks.contracts.analysis import WORKFLOW
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.records import (
    ApprovalRecord,
    ExecutionRecord,
    ProcessRecord,
    Record,
    WorkflowDefinition,
)
from blocks.contracts.states import OPEN, TERMINAL
from blocks.contracts.workflows import WORKFLOWS
from blocks.definitions.deadlines import overdue
from blocks.executions.retention import Retention
from blocks.notifications.notifier import forget_old_notifications
from blocks.operations.events.taking import forget_events
from blocks.ports import RecordStore
from blocks.republishing import republish
from blocks.services import open_bus, open_store
from blocks.settings import load_settings
from blocks.webhooks.subscriptions import subscriptions
from tests.support.factories import (
    A_TENANT,
    ANOTHER_TENANT,
    a_flow_run,
    a_process,
    a_tenant_record,
    an_execution,
    now,
)
from tests.support.flow_runs import RememberedFlowRuns
from tests.support.stores import put_unreadable

LONG_AGO = now() - timedelta(days=200)


def every_kind(of: type[Record] = Record) -> Iterator[type[Record]]:
    for kind in of.__subclasses__():
        if kind.__struct_config__.tag is not None:
            yield kind
        yield from every_kind(kind)


async def put_all(store: RecordStore) -> None:
    for kind, tenant_id in product(every_kind(), (A_TENANT, SYSTEM_TENANT)):
        await put_unreadable(store, kind, tenant_id, status="replaying")
    for workflow, status, tenant_id in product(
        WORKFLOWS, (*OPEN, *TERMINAL), (A_TENANT, SYSTEM_TENANT)
    ):
        await put_unreadable(store, ExecutionRecord, tenant_id, status=status, workflow=workflow)
    for decision in ("pending", "approved", "rejected", "expired"):
        await put_unreadable(store, ApprovalRecord, A_TENANT, status=decision)


async def test_none_of_them_stops_a_look_at_all_tenants(tmp_path: Path) -> None:
    settings = load_settings({"ORCHESTRATOR_DATA_DIR": str(tmp_path)})
    flow_runs, journal = RememberedFlowRuns(), Journal()
    async with open_store(settings) as store, open_bus(settings, "test") as bus:
        await store.create(SYSTEM_TENANT, a_tenant_record(tenant=A_TENANT))
        await store.create(SYSTEM_TENANT, a_process())
        at = {"created_at": LONG_AGO, "updated_at": LONG_AGO, "completed_at": LONG_AGO}
        owed = an_execution(status="completed", results={}, **at)
        over = an_execution(status="completed", announced_at=LONG_AGO, **at)
        await store.create_all(A_TENANT, [owed, over])
        await put_all(store)

        for drift in drifts(Parts.of(settings, store, bus, flow_runs)):
            await journal.look(drift)
        assert {} == {kind: look.error for kind, look in journal.looks.items() if look.error}
        assert 1 == journal.looks["unannounced"].repaired

        sweep = DeadLetterSweep(store, bus, kept_for=timedelta(days=1), interval_seconds=1)
        assert (0, 0, 0) == (
            await sweep.replay_due(),
            await sweep.count_waiting(),
            await sweep.forget_settled(),
        )
        await count_what_is_open(store)
        for tidy in (forget_old_answers, forget_old_notifications, finish_lost_acts):
            assert 0 == await tidy(store)
        assert 0 == await forget_events(store, timedelta(days=1))
        assert 0 == await LogKeeping().forget(store, A_TENANT, now())
        assert 1 == await Retention().delete(store, A_TENANT, now() - timedelta(days=90))
        assert [] == await subscriptions(store, A_TENANT)
        assert "batch_job_triggers" in await JobMetrics(store).text()
        assert (
            1
            == (
                await republish(store, bus, since=now() - timedelta(days=1), begun_since=LONG_AGO)
            ).total()
        )


async def test_of_a_worker_whose_heartbeat_cannot_be_read_nothing_is_decided(
    tmp_path: Path,
) -> None:
    settings = load_settings({"ORCHESTRATOR_DATA_DIR": str(tmp_path)})
    flow_runs, journal = RememberedFlowRuns(), Journal()
    flow_runs.runs = [a_flow_run(state="running", state_at=LONG_AGO)]
    async with open_store(settings) as store, open_bus(settings, "test") as bus:
        await put_unreadable(store, ProcessRecord, SYSTEM_TENANT, role="worker")

        lost = LostRuns(Parts.of(settings, store, bus, flow_runs))
        await journal.look(lost)

        assert "cannot be read" in (journal.looks[lost.kind].error or "")
    assert [] == flow_runs.rescheduled


async def test_a_definition_that_cannot_be_read_makes_nothing_overdue(tmp_path: Path) -> None:
    settings = load_settings({"ORCHESTRATOR_DATA_DIR": str(tmp_path)})
    async with open_store(settings) as store:
        await put_unreadable(store, WorkflowDefinition, A_TENANT, id=WORKFLOW)
        at = {"created_at": LONG_AGO, "updated_at": LONG_AGO, "started_at": LONG_AGO}
        kept = an_execution(status="running", definition_version=3, **at)
        late = an_execution(status="running", tenant_id=ANOTHER_TENANT, **at)
        await store.create(A_TENANT, kept)
        await store.create(ANOTHER_TENANT, late)

        found = await overdue(store, settings, [A_TENANT, ANOTHER_TENANT])
    assert [late.id] == [one.stored.record.id for one in found]
