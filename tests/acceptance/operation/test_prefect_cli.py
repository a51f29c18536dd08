"""What a Prefect user does who knows no command of ours: deploy, start, look, resume, cancel.

With a worker of our type and with a plain `process` worker, on one server that was empty.
"""

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from blocks.adapters.prefect.flow_runs import PrefectFlowRuns
from blocks.contracts import ids, jobs
from blocks.contracts.analysis import WORKFLOW
from blocks.contracts.records import ApprovalRecord, ExecutionRecord, ProcessRecord
from blocks.ports import Message, Query
from deployments.bootstrap.prefect_yaml import read_deployments
from tests.support.analyses import a_large_deal, an_opportunity, find, gated
from tests.support.factories import A_TENANT
from tests.support.servers.prefect_server import PrefectServer
from tests.support.system.analysis_services import AnalysisServices
from tests.support.system.ledger import REQUESTED
from tests.support.system.orchestra import Orchestra, undeployed_orchestra
from tests.support.waiting import eventually

pytestmark = pytest.mark.long

CHECKOUT = Path(__file__).parents[3]
PREFECT = Path(sys.executable).with_name("prefect")
PATIENCE_SECONDS = 240.0
"""Two interpreters start for each run of a process worker."""
DECISION = {"decision": "approve", "decided_by": "ann", "comment": "seen"}


@pytest.fixture(scope="module")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    """A server of this module's own: nothing is deployed on it."""
    server = PrefectServer(tmp_path_factory.mktemp("empty-prefect"))
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture(params=["in-process", "process"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def parts(tmp_path: Path, prefect_server: PrefectServer) -> AsyncIterator[Orchestra]:
    """What stands around Prefect and its workers."""
    async with undeployed_orchestra(
        tmp_path,
        prefect_server,
        HITL_APPROVALS_ENABLED="true",
        RECONCILER_INTERVAL_SECONDS="1",
        PREFECT_WORKER_QUERY_SECONDS="1",
    ) as parts:
        parts.listener.start()
        parts.api.start()
        yield parts


async def prefect(parts: Orchestra, *arguments: str) -> str:
    """The output of `prefect ARGUMENTS` in a checkout, without a terminal."""
    process = await asyncio.create_subprocess_exec(
        PREFECT,
        *arguments,
        cwd=CHECKOUT,
        env=parts.environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    assert 0 == process.returncode, f"prefect {' '.join(arguments)}: {errors.decode()}"
    return output.decode()


@pytest.fixture
async def worker(parts: Orchestra, kind: str, tmp_path: Path) -> AsyncIterator[None]:
    """Everything is deployed, and `prefect worker start` serves the pool."""
    pool = parts.settings.prefect.work_pool
    if kind == "process":
        await prefect(parts, "work-pool", "create", pool, "--type", kind)
    deployed = await prefect(parts, "deploy", "--all")
    unwrapped = re.sub(r"[\s│]+", " ", deployed)  # a long name breaks its line
    assert len(read_deployments()) == unwrapped.count("successfully created")
    with (tmp_path / "prefect-worker.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: ASYNC220 - returns at once
            [PREFECT, "worker", "start", "--pool", pool, "--type", kind],
            env=parts.environment,
            cwd=tmp_path,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        yield
    finally:
        process.kill()
        process.wait()


async def shows(parts: Orchestra, flow_run_id: str | None) -> Any:
    return json.loads(await prefect(parts, "flow-run", "inspect", str(flow_run_id), "-o", "json"))


async def is_held(parts: Orchestra, flow_run_id: str | None) -> None:
    """A living process shows that it carries out the run, so no one takes it for lost."""

    async def look() -> bool:
        workers = await parts.store.query(
            ids.SYSTEM_TENANT, Query(ProcessRecord, {"role": "worker"})
        )
        return any(flow_run_id in stored.record.flow_run_ids for stored in workers.items)

    await eventually(look, within_seconds=PATIENCE_SECONDS)


async def reached(parts: Orchestra, event: Message, status: str) -> ExecutionRecord:
    """The execution, once it has this status."""

    async def look() -> ExecutionRecord | None:
        record = await find(parts, event)
        return record if record and record.status == status else None

    record = await eventually(look, within_seconds=PATIENCE_SECONDS)
    assert record
    return record


async def test_prefects_command_line_is_enough(
    parts: Orchestra, services: AnalysisServices, flow_runs: PrefectFlowRuns, worker: None
) -> None:
    await prefect(parts, "deployment", "run", "batch-job/outcome-sync", "--watch")
    triggered = await parts.store.query(
        ids.SYSTEM_TENANT, Query(ExecutionRecord, {"workflow": jobs.WORKFLOW})
    )
    assert [("outcome-sync", 1)] == [
        (stored.record.subject, len(stored.record.trigger_ids)) for stored in triggered.items
    ]

    by_hand = ("tenant_id=" + A_TENANT, 'opportunity_id="006-by-hand"', 'input={"amount": 900}')
    options = [word for parameter in by_hand for word in ("-p", parameter)]
    deployment = f"{WORKFLOW}/{WORKFLOW}"
    await prefect(parts, "deployment", "run", deployment, *options, "--watch")
    started = await parts.store.query(
        A_TENANT, Query(ExecutionRecord, {"subject": "006-by-hand", "workflow": WORKFLOW})
    )
    assert ["completed"] == [stored.record.status for stored in started.items]

    large = a_large_deal()
    await parts.bus.publish(large)
    await reached(parts, large, "awaiting_approval")
    waiting = await gated(parts, flow_runs, large)
    assert "Suspended" == (await shows(parts, waiting.flow_run_id))["state"]["name"]
    suspended = await prefect(parts, "flow-run", "ls", "--state", "Suspended", "-o", "json")
    assert str(waiting.flow_run_id) in suspended
    answer = json.dumps({"run_input": DECISION})
    await prefect(
        parts, "api", "POST", f"/flow_runs/{waiting.flow_run_id}/resume", "--data", answer
    )
    await reached(parts, large, "completed")
    approval = await parts.store.read(
        A_TENANT, ApprovalRecord, ids.approval_id(waiting.id, "analysis")
    )
    assert ("approved", "prefect-ui") == (approval.record.status, approval.record.decided_through)

    services.silent.update(REQUESTED)
    unanswered = an_opportunity()
    await parts.bus.publish(unanswered)
    running = await reached(parts, unanswered, "running")
    await is_held(parts, running.flow_run_id)
    await prefect(parts, "flow-run", "cancel", str(running.flow_run_id))
    assert 1 == (await reached(parts, unanswered, "cancelled")).attempt
    assert await prefect(parts, "flow-run", "logs", str(running.flow_run_id))
