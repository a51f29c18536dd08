"""`orchestrator migrate`: what is converted, what is left and why, and nothing the second time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

from blocks.adapters.forwarding import ForwardingRecordStore
from blocks.adapters.sqlite.record_store import SqliteRecordStore
from blocks.contracts.records import ApprovalRecord, ExecutionRecord
from blocks.executions import transitions
from blocks.executions.steps import step_records
from blocks.migration.migrate import Migration, migrate
from blocks.migration.report import NAMED_MAX, Tally
from blocks.ports import EventBus, Queue, RecordStore, Stored, Unavailable
from blocks.queries import tenants
from deployments.cli.app import cli
from tests.support.audit_log import entries
from tests.support.factories import A_TENANT, ANOTHER_TENANT
from tests.support.older_service import left_behind, older_approval, older_step, older_workflow

ALL = ("hitl_approvals", "workflow_workflows", "workflow_steps", "workflow_executions")


async def run(store: RecordStore, **options: Any) -> dict[str, Tally]:
    """Applied, unless `acting` is given."""

    @asynccontextmanager
    async def acting(_: str) -> AsyncIterator[RecordStore]:
        yield store

    migration = Migration(**{"store": store, "acting": acting, **options})
    return {tally.container: tally for tally in await migrate(migration, lambda _: None)}


def figures(tally: Tally) -> tuple[int, int, int, int]:
    return tally.found, tally.converted, tally.already, tally.left.total()


async def with_everything(store: RecordStore) -> None:
    approvals = [
        older_approval(),
        older_approval(status="approved", decidedBy="bob"),
        older_approval(status="odd"),
        older_approval(tenantId=ANOTHER_TENANT),
    ]
    await left_behind(store, "hitl_approvals", *approvals)
    ended = [older_workflow(status=status) for status in ("completed", "failed", "cancelled")]
    hangs = older_workflow(status="running", completedAt=None, results=None)
    odd = [older_workflow(status="odd"), older_workflow(results=7)]
    await left_behind(store, "workflow_workflows", *ended, hangs, *odd)
    for step in ended[0]["steps"]:
        copy = {**step, "id": step["stepId"], "tenantId": A_TENANT}
        await left_behind(store, "workflow_steps", copy)


async def test_all_is_counted_and_a_repetition_has_nothing_to_do(store: RecordStore) -> None:
    await with_everything(store)

    looked = await run(store, acting=None)
    first = await run(store)
    second = await run(store)

    assert [(4, 3, 0, 1), (6, 3, 0, 3), (4, 0, 0, 4), (0, 0, 0, 0)] == [
        figures(looked[container]) for container in ALL
    ]
    assert [figures(looked[one]) for one in ALL] == [figures(first[one]) for one in ALL]
    assert [(1, 0, 3, 1), (6, 0, 3, 3), (4, 0, 0, 4), (0, 0, 0, 0)] == [
        figures(second[container]) for container in ALL
    ]
    assert {"its status is 'odd', none of the older service's": 1} == dict(
        first["hitl_approvals"].left
    )


async def test_a_dry_run_changes_nothing(store: RecordStore) -> None:
    await with_everything(store)
    before = [await store.older_documents(A_TENANT, one) for one in ALL]

    await run(store, acting=None, closing=True)

    assert before == [await store.older_documents(A_TENANT, one) for one in ALL]
    assert 0 == await store.count(A_TENANT, ExecutionRecord)


async def test_one_tenant_at_a_time(store: RecordStore) -> None:
    await with_everything(store)

    tallies = await run(store, tenant_id=ANOTHER_TENANT)

    assert (1, 1, 0, 0) == figures(tallies["hitl_approvals"])
    assert 3 == len(await store.older_documents(A_TENANT, "hitl_approvals"))


async def test_workflow_documents_stay_and_their_end_is_not_announced_again(
    store: RecordStore,
) -> None:
    document = older_workflow(opportunityId="9F6A1B2C-0000-4000-8000-ABCDEF012345")
    await left_behind(store, "workflow_workflows", document)

    await run(store)

    assert [document] == await store.older_documents(A_TENANT, "workflow_workflows")
    execution = (await store.read(A_TENANT, ExecutionRecord, document["id"])).record
    assert ("completed", document["results"]) == (execution.status, execution.results)
    assert execution.announced_at == execution.completed_at
    assert document["opportunityId"].lower() == execution.subject
    assert document["opportunityId"] == execution.subject_on_wire
    steps = await step_records(store, A_TENANT, [execution.id])
    assert {one["stepId"] for one in document["steps"]} == {one.step_id for one in steps}


async def test_one_under_way_is_left_or_closed_as_failed_as_asked(
    store: RecordStore, bus: EventBus
) -> None:
    document = older_workflow(status="running", completedAt=None, results=None)
    await left_behind(store, "workflow_workflows", document)

    left = (await run(store))["workflow_workflows"]
    closed = (await run(store, closing=True))["workflow_workflows"]

    assert {"it is running in the older service": 1} == dict(left.left)
    assert (1, 1, 0, 0) == figures(closed)
    execution = (await store.read(A_TENANT, ExecutionRecord, document["id"])).record
    assert ("failed", "service-replaced", None) == (
        execution.status,
        execution.error_code,
        execution.announced_at,
    )
    await bus.declare(Queue(name="a-neighbour", bindings=["workflow.opportunity.analysis.*"]))
    ended = await store.read(A_TENANT, ExecutionRecord, document["id"])
    await transitions.announce(store, bus, [ended])
    [event] = await bus.peek("a-neighbour")
    assert "workflow.opportunity.analysis.failed" == event.routing_key


async def test_the_failed_step_is_why_it_failed(store: RecordStore) -> None:
    document = older_workflow(status="failed", results=None)
    document["steps"] = [
        older_step(document["id"], "risk_scoring", status="failed", error="slow"),
        older_step(document["id"], "forecast", status="failed", error="no data"),
    ]
    await left_behind(store, "workflow_workflows", document)

    await run(store)

    execution = (await store.read(A_TENANT, ExecutionRecord, document["id"])).record
    assert ("no data", "forecast", "step-failed") == (
        execution.error,
        execution.failed_step,
        execution.error_code,
    )


class Failing(ForwardingRecordStore):
    """Goes away at the tenth write."""

    def __init__(self, store: RecordStore) -> None:
        super().__init__(store)
        self.writes = 0

    async def create(self, tenant_id: str, record: Any) -> Stored[Any]:
        self.writes += 1
        if self.writes == 10:
            raise Unavailable("the store does not answer")
        return await super().create(tenant_id, record)


async def test_what_was_stopped_is_resumed(store: RecordStore) -> None:
    documents = [older_workflow() for _ in range(5)]
    await left_behind(store, "workflow_workflows", *documents)

    with pytest.raises(Unavailable):
        await run(Failing(store))
    tallies = await run(store)

    assert 5 == sum(figures(tallies["workflow_workflows"])[1:3])
    for document in documents:
        execution = (await store.read(A_TENANT, ExecutionRecord, document["id"])).record
        assert 4 == len(await step_records(store, A_TENANT, [execution.id]))


async def test_a_converted_approval_keeps_what_the_older_service_reads(
    store: RecordStore,
) -> None:
    document = older_approval(approvalUrl="https://crm.example/a")
    await left_behind(store, "hitl_approvals", document)

    await run(store)

    record = (await store.read(A_TENANT, ApprovalRecord, document["id"])).record
    written = msgspec.to_builtins(record)
    stated = {key for key in document if key not in ("requestedAt", "approvalUrl")}
    assert {key: document[key] for key in stated} == {key: written[key] for key in stated}
    assert document["approvalUrl"] == written["olderFields"]["approvalUrl"]


async def test_what_is_no_tenant_is_left_and_does_not_enter_the_directory(
    store: RecordStore,
) -> None:
    await left_behind(store, "hitl_approvals", older_approval(tenantId="acme"))

    tallies = await run(store)

    assert (1, 0, 0, 1) == figures(tallies["hitl_approvals"])
    assert [] == await tenants(store)


async def test_a_dry_run_and_the_migration_leave_the_same_large_documents(
    store: RecordStore,
) -> None:
    large = older_approval(note="x" * 1_999_500)
    await left_behind(store, "hitl_approvals", large)

    looked, applied = await run(store, acting=None), await run(store)

    assert (1, 0, 0, 1) == figures(looked["hitl_approvals"]) == figures(applied["hitl_approvals"])


def test_only_what_is_odd_is_named_and_the_rest_of_it_counted() -> None:
    tally = Tally(container="workflow_workflows")
    for number in range(NAMED_MAX + 1):
        assert 0 == tally.unnamed
        tally.leave(A_TENANT, str(number), "odd")
        tally.leave(A_TENANT, str(number), "a copy", by_design=True)

    assert (NAMED_MAX, 1) == (len(tally.named), tally.unnamed)
    assert {"odd": NAMED_MAX + 1, "a copy": NAMED_MAX + 1} == dict(tally.left)


# --- the command ----------------------------------------------------------------------------------


def command(folder: Path, *arguments: str) -> Result:
    environment = {"ORCHESTRATOR_DATA_DIR": str(folder)}
    return CliRunner().invoke(cli, ["migrate", *arguments], obj={}, env=environment)


@pytest.mark.parametrize("arguments", [(), ("--dry-run", "--apply")])
def test_nothing_happens_by_accident(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    run = command(tmp_path, *arguments)

    assert 2 == run.exit_code
    assert "--dry-run" in run.output


def test_the_command_names_each_document_that_is_left_and_is_on_the_audit_log(
    tmp_path: Path,
) -> None:
    odd, ended = older_workflow(status="odd"), older_workflow()

    async def put() -> None:
        async with SqliteRecordStore(tmp_path / "records.db") as store:
            await left_behind(store, "workflow_workflows", odd, ended)

    async def log() -> list[str]:
        async with SqliteRecordStore(tmp_path / "records.db") as store:
            return [entry.action for entry in await entries(store)]

    asyncio.run(put())

    looked, applied = command(tmp_path, "--dry-run"), command(tmp_path, "--apply", "--as", "ann")

    for output in (looked.output, applied.output):
        assert f"{odd['id']} of tenant {A_TENANT}: its status is 'odd'" in output
    assert "nothing was changed" in looked.output
    assert ["older-service.migrate"] == asyncio.run(log())
    lines = command(tmp_path, "--dry-run", "--json").output.splitlines()
    assert [0, 1, 0, 0] == [msgspec.json.decode(line)["already"] for line in lines[:4]]
