"""`orchestrator migrate --apply` as a process: killed midway, and beside others that write to the
same documents.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import msgspec
import pytest

from blocks.audit.recording import finish_lost_acts
from blocks.clock import utc_now
from blocks.contracts.records import ApprovalRecord, ExecutionRecord, Record
from blocks.executions.steps import step_records
from blocks.ports import RecordStore
from blocks.queries import every
from blocks.services import open_store
from blocks.settings import load_settings
from tests.support.factories import A_TENANT
from tests.support.older_service import (
    STEPS,
    Document,
    left_behind,
    older_approval,
    older_workflow,
)
from tests.support.servers.cosmos import CosmosEmulator
from tests.support.servers.prefect_server import PrefectServer
from tests.support.system.forking import fork
from tests.support.system.ledger import TERMINAL, Ledger
from tests.support.system.older_orchestrator import OlderOrchestrator
from tests.support.system.orchestra import (
    Orchestra,
    client_of,
    on_cosmos,
    on_real_parts,
    undeployed_orchestra,
)
from tests.support.waiting import eventually

pytestmark = [
    pytest.mark.long,
    # The Azure SDK never verifies the certificate of a local address.
    pytest.mark.filterwarnings("ignore:Unverified HTTPS request"),
]

APPROVALS, WORKFLOWS = "hitl_approvals", "workflow_workflows"
COUNT = 150
"""Of each: two pages."""
PAGE = 100
"""What the migration has read before it converts the first of it."""


class Installation(msgspec.Struct, frozen=True):
    """A store on which the older service has worked, and the environment that names it."""

    environment: dict[str, str]
    store: RecordStore


@pytest.fixture(params=["embedded", "cosmos"])
async def here(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Installation]:
    environment = {**os.environ, "ORCHESTRATOR_DATA_DIR": str(tmp_path)}
    if request.param == "cosmos":
        environment |= on_cosmos(request.getfixturevalue("cosmos_emulator"), tmp_path.name)
    async with open_store(load_settings(environment)) as store:
        await store.provision()
        yield Installation(environment, store)


class Migration:
    """One process of `orchestrator migrate --apply`."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._log = Path(environment["ORCHESTRATOR_DATA_DIR"]) / "migrate.log"
        self._log.write_text("")
        self.process = fork(["migrate", "--apply", "--json"], environment, self._log)

    async def counted(self) -> dict[str, tuple[int, int, int, int]]:
        """By container: found, converted, already, left."""
        code = await asyncio.to_thread(self.process.wait, 120)
        assert 0 == code, self._log.read_text()
        return {
            one["container"]: (
                one["found"],
                one["converted"],
                one["already"],
                sum(one["left"].values()),
            )
            for one in map(json.loads, self._log.read_text().splitlines()[:4])
        }


async def left(store: RecordStore, container: str, documents: Sequence[Document]) -> None:
    for start in range(0, len(documents), 20):
        part = documents[start : start + 20]
        await asyncio.gather(*(left_behind(store, container, one) for one in part))


# --- killed ---------------------------------------------------------------------------------------


async def test_what_a_killed_migration_has_converted_stays_and_the_next_does_the_rest(
    here: Installation,
) -> None:
    approvals, workflows = documents()
    await left(here.store, APPROVALS, approvals)
    await left(here.store, WORKFLOWS, workflows)

    among_approvals = await killed(here, approvals_converted)
    among_workflows = await killed(here, executions)
    before = await etags(here.store)
    finished = await Migration(here.environment).counted()
    repeated = await Migration(here.environment).counted()

    there = len(await executions(here.store))
    assert among_approvals < COUNT
    assert among_workflows < there == COUNT
    assert (0, 0, COUNT, 0) == finished[APPROVALS] == repeated[APPROVALS]
    assert (COUNT, COUNT - among_workflows, among_workflows, 0) == finished[WORKFLOWS]
    assert (COUNT, 0, COUNT, 0) == repeated[WORKFLOWS]
    after = await etags(here.store)
    assert before.items() <= after.items(), "what was converted is not written again"
    await each_is_converted_once(here.store, approvals, workflows)
    assert 2 == await finish_lost_acts(here.store, utc_now()), "each killed one is on the audit log"


def documents() -> tuple[list[Document], list[Document]]:
    return (
        [older_approval(note=str(number)) for number in range(COUNT)],
        [older_workflow() for _ in range(COUNT)],
    )


Look = Callable[[RecordStore], Awaitable[list[str]]]


async def approvals_converted(store: RecordStore) -> list[str]:
    """In the order of their ids, which is the migration's."""
    waiting = set[str]()
    after = ""
    while page := await store.older_documents(A_TENANT, APPROVALS, after):
        waiting |= {one["id"] for one in page}
        after = page[-1]["id"]
    ids = [stored.record.id async for stored in every(store, A_TENANT, ApprovalRecord)]
    return [id for id in ids if id not in waiting]


async def executions(store: RecordStore) -> list[str]:
    return [stored.record.id async for stored in every(store, A_TENANT, ExecutionRecord)]


async def killed(here: Installation, converted: Look) -> int:
    """How many were converted when the process was killed by SIGKILL, in the midst of them."""
    migration = Migration(here.environment)

    async def is_in_the_midst() -> bool:
        return len(await converted(here.store)) > 0

    await eventually(is_in_the_midst, within_seconds=60, every_seconds=0.01)
    migration.process.kill()
    assert -9 == await asyncio.to_thread(migration.process.wait, 10)
    return len(await converted(here.store))


async def etags(store: RecordStore) -> dict[str, str]:
    """Of each record that was converted."""
    kinds: tuple[type[Record], ...] = (ApprovalRecord, ExecutionRecord)
    converted = {*await approvals_converted(store), *await executions(store)}
    return {
        stored.record.id: stored.etag
        for kind in kinds
        async for stored in every(store, A_TENANT, kind)
        if stored.record.id in converted
    }


async def each_is_converted_once(
    store: RecordStore, approvals: list[Document], workflows: list[Document]
) -> None:
    found = {
        stored.record.id: stored.record async for stored in every(store, A_TENANT, ApprovalRecord)
    }
    assert {one["id"]: ("pending", one["note"]) for one in approvals} == {
        id: (record.status, record.older_fields["note"]) for id, record in found.items()
    }
    assert workflows_by_id(workflows) == workflows_by_id(await all_older(store, WORKFLOWS))
    for workflow in workflows:
        steps = await step_records(store, A_TENANT, [workflow["id"]])
        assert sorted(STEPS) == sorted(step.step for step in steps)


def workflows_by_id(found: list[Document]) -> dict[str, Document]:
    return {
        one["id"]: {key: value for key, value in one.items() if not key.startswith("_")}
        for one in found
    }


async def all_older(store: RecordStore, container: str) -> list[Document]:
    found: list[Document] = []
    while page := await store.older_documents(
        A_TENANT, container, found[-1]["id"] if found else ""
    ):
        found += page
    return found


# --- beside others --------------------------------------------------------------------------------


@pytest.fixture(params=["embedded", "real"])
async def parts(
    request: pytest.FixtureRequest, tmp_path: Path, prefect_server: PrefectServer
) -> AsyncIterator[Orchestra]:
    on = on_real_parts(request, tmp_path.name) if request.param == "real" else {}
    async with undeployed_orchestra(tmp_path, prefect_server, **on) as parts:
        parts.api.start()
        yield parts


async def test_decisions_and_retries_that_come_during_the_migration_count(
    parts: Orchestra, ledger: Ledger
) -> None:
    approvals = [older_approval() for _ in range(PAGE)]
    workflows = [older_workflow(status="failed", results=None) for _ in range(PAGE)]
    await left(parts.store, APPROVALS, approvals)
    await left(parts.store, WORKFLOWS, workflows)
    async with client_of(parts) as client:
        assert 200 == (await client.get("/health")).status_code

        async def decide(id: str) -> int:
            url = f"/api/v1/hitl/approvals/{id}/reject"
            body = {"decidedBy": f"of-{id}", "comment": "too risky"}
            return (await client.post(url, json=body)).status_code

        async def retry(id: str) -> int:
            return (await client.post(f"/api/v1/workflows/{id}/retry")).status_code

        migration = Migration(parts.environment)
        await has_begun(parts.store)
        decided = await all_of(approvals, decide)
        retried = await all_of(workflows, retry)
    counted = await migration.counted()

    assert {200} == {*decided, *retried}
    assert 0 == sum(left for *_, left in counted.values())
    async for approval in every(parts.store, A_TENANT, ApprovalRecord):
        record = approval.record
        assert ("rejected", f"of-{record.id}") == (record.status, record.decided_by)
    async for execution in every(parts.store, A_TENANT, ExecutionRecord):
        assert ("pending", 1) == (execution.record.status, execution.record.retries)
    assert PAGE == await parts.store.count(A_TENANT, ApprovalRecord)
    assert PAGE == await parts.store.count(A_TENANT, ExecutionRecord)
    events = await ledger.published("hitl.approval.completed", count=PAGE)
    assert sorted(one["id"] for one in approvals) == sorted(
        event["data"]["approvalId"] for event in events
    )
    assert [] == ledger.of(*TERMINAL), "the older service has announced them"


async def has_begun(store: RecordStore) -> None:
    """It has read its first page, and converted one of it."""

    async def some() -> bool:
        return len(await approvals_converted(store)) > 0

    await eventually(some, within_seconds=60, every_seconds=0.01)


async def all_of(documents: list[Document], act: Callable[[str], Awaitable[int]]) -> list[int]:
    """Against the order of the migration, eight at once."""
    room, ids = asyncio.Semaphore(8), sorted((one["id"] for one in documents), reverse=True)

    async def one(id: str) -> int:
        async with room:
            return await act(id)

    return await asyncio.gather(*(one(id) for id in ids))


@pytest.mark.parametrize("here", ["cosmos"], indirect=True)
async def test_what_the_older_service_decides_during_the_migration_stands(
    here: Installation, tmp_path: Path, cosmos_emulator: CosmosEmulator
) -> None:
    approvals = [older_approval() for _ in range(PAGE)]
    await left(here.store, APPROVALS, approvals)
    older = OlderOrchestrator(cosmos_emulator, tmp_path.name)

    async def decide(id: str) -> int:
        await asyncio.to_thread(older.approves, id, "carl")
        return 200

    migration = Migration(here.environment)
    await has_begun(here.store)
    await all_of(approvals, decide)
    await migration.counted()

    async for stored in every(here.store, A_TENANT, ApprovalRecord):
        assert ("approved", "carl") == (stored.record.status, stored.record.decided_by)
    found, converted, already, remaining = (await Migration(here.environment).counted())[APPROVALS]
    assert (PAGE, found, 0) == (converted + already, converted, remaining)
