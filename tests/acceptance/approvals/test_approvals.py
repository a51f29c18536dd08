"""An analysis that a person must approve, on real processes: whatever is killed meanwhile, the
decision counts.
"""

import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import httpx
import msgspec
import pytest

from blocks.adapters.prefect.flow_runs import PrefectFlowRuns
from blocks.approvals.prefect_ui.answer import RESUMES
from blocks.contracts import ids
from blocks.contracts.records import ApprovalRecord, ExecutionRecord
from blocks.ports import Message
from tests.support.analyses import a_large_deal, ended, execution_id_of, find, gated, seen
from tests.support.api.credentials import AnyTenant
from tests.support.factories import A_TENANT
from tests.support.run_logs import run_log_of
from tests.support.servers.prefect_server import PrefectServer
from tests.support.system.analysis_services import (
    AnalysisServices,
    foreign_event,
    opportunity_event,
)
from tests.support.system.ledger import REQUESTED, TERMINAL, Ledger
from tests.support.system.orchestra import Orchestra, orchestra
from tests.support.waiting import eventually

pytestmark = pytest.mark.long


@pytest.fixture
async def parts(tmp_path: Path, prefect_server: PrefectServer) -> AsyncIterator[Orchestra]:
    async with orchestra(
        tmp_path, prefect_server, HITL_APPROVALS_ENABLED="true", RECONCILER_INTERVAL_SECONDS="3"
    ) as parts:
        for part in (parts.listener, parts.worker, parts.api):
            part.start()
        yield parts


def in_the_name_of(user: str, event: Message) -> Message:
    return msgspec.structs.replace(
        event, body=msgspec.json.encode({**msgspec.json.decode(event.body), "userId": user})
    )


def approval_id_of(event: Message) -> str:
    return ids.approval_id(execution_id_of(event), "analysis")


async def decide(parts: Orchestra, event: Message, outcome: str = "approved") -> httpx.Response:
    """Over REST, as soon as the API answers."""
    url = f"http://127.0.0.1:{parts.settings.server.port}/api/v1/hitl/approvals/{approval_id_of(event)}/decisions"
    headers = {"X-Tenant-ID": A_TENANT, "X-User-ID": "ann"}
    async with httpx.AsyncClient(auth=AnyTenant()) as client:

        async def answered() -> httpx.Response | None:
            try:
                return await client.post(
                    url, json={"outcome": outcome, "reason": "seen"}, headers=headers, timeout=20
                )
            except httpx.ConnectError:
                return None

        return await eventually(answered, within_seconds=60) or pytest.fail(
            "the API never answered"
        )


async def test_everything_is_stopped_and_started_again_and_the_decision_counts(
    parts: Orchestra,
    prefect_server: PrefectServer,
    flow_runs: PrefectFlowRuns,
    ledger: Ledger,
    services: AnalysisServices,
) -> None:
    event = a_large_deal()
    await parts.bus.publish(event)
    await gated(parts, flow_runs, event)

    for part in (parts.listener, parts.worker, parts.api):
        part.stop()
    prefect_server.kill()
    prefect_server.start()
    for part in (parts.listener, parts.worker, parts.api):
        part.start()

    assert 200 == (await decide(parts, event)).status_code
    execution = await ended(parts, event)
    assert "completed" == execution.status
    [end] = await ledger.published(*TERMINAL)
    assert {"approved": True, "decidedBy": "ann", "decidedThrough": "api"}.items() <= (
        end["data"]["results"]["approval"].items()
    )
    assert [1, 1, 1, 1] == [len(services.asked[request]) for request in REQUESTED]
    await ledger.holds({"hitl.approval.requested": 1, "hitl.approval.completed": 1})
    assert {} == ledger.second_ids()


async def test_an_api_killed_between_the_decision_and_the_resume_loses_neither(
    parts: Orchestra, flow_runs: PrefectFlowRuns, ledger: Ledger, services: AnalysisServices
) -> None:
    event = a_large_deal()
    await parts.bus.publish(event)
    await gated(parts, flow_runs, event)
    parts.api.stop()
    parts.api.start(FAULT_POINT="after-decision")

    with pytest.raises(httpx.TransportError):
        await decide(parts, event, "rejected")
    approval = (await parts.store.read(A_TENANT, ApprovalRecord, approval_id_of(event))).record
    assert ("rejected", None) == (approval.status, approval.settled_at)
    restarted = time.monotonic()
    parts.api.kill()
    parts.api.start()

    execution = await ended(parts, event)
    assert ("failed", "approval-rejected") == (execution.status, execution.error_code)
    assert time.monotonic() - restarted < 30
    await ledger.published("hitl.approval.completed")


async def test_a_bare_resume_waits_again_and_an_answer_that_does_not_count_changes_nothing(
    parts: Orchestra,
    flow_runs: PrefectFlowRuns,
    services: AnalysisServices,
    prefect_server: PrefectServer,
) -> None:
    event = in_the_name_of("olga", a_large_deal())
    await parts.bus.publish(event)
    waiting = await gated(parts, flow_runs, event)
    run_id = waiting.flow_run_id or ""

    bare, olgas = RESUMES[0], {"decision": "approve", "decided_by": "olga"}
    for times, run_input in enumerate((bare, olgas, bare), start=1):
        assert await flow_runs.resume(run_id, run_input)
        await eventually(lambda times=times: waited(parts, event, times), within_seconds=60)  # type: ignore[misc]
        await gated(parts, flow_runs, event)
        [run] = await flow_runs.read_runs([run_id])
        assert (run_input is olgas) == ("olga asked for" in str(run.message))
    assert "claimed:olga asked for" in "".join(await run_log_of(prefect_server, run_id, "WARNING"))
    assert await flow_runs.resume(run_id, {"decision": "approve", "decided_by": "ann"})

    execution = await ended(parts, event)
    assert ("completed", "claimed:ann", "prefect-ui") == (
        execution.status,
        (execution.results or {})["approval"]["decidedBy"],
        (execution.results or {})["approval"]["decidedThrough"],
    )


async def waited(parts: Orchestra, event: Message, times: int) -> bool:
    return (
        await parts.store.read(A_TENANT, ApprovalRecord, approval_id_of(event))
    ).record.waits >= times


async def test_an_analysis_waits_for_an_approval_that_was_requested_while_it_ran(
    parts: Orchestra, flow_runs: PrefectFlowRuns, ledger: Ledger, services: AnalysisServices
) -> None:
    services.silent.add(REQUESTED[0])
    # small: no rule of ours asks
    event = opportunity_event(
        A_TENANT, subject := str(uuid4()), id=str(uuid4()), metadata={"amount": 1_000}
    )
    await parts.bus.publish(event)
    await eventually(lambda: asked(services), within_seconds=60)
    request = foreign_event(
        A_TENANT,
        "hitl.approval.requested",
        {
            "opportunityId": subject,
            "riskScore": 0.9,
            "amount": 5.0,
            "correlationId": "evaluation-1",
        },
        id=str(uuid4()),
    )
    await parts.bus.publish(request, request)

    async def attached() -> ExecutionRecord | None:
        record = await find(parts, event)
        return record if record and record.approval_ids else None

    approval_id = (await seen(parts, attached)).approval_ids[0]
    await services.speak()
    await gated(parts, flow_runs, event)
    url = (
        f"http://127.0.0.1:{parts.settings.server.port}/api/v1/hitl/approvals/{approval_id}/approve"
    )
    async with httpx.AsyncClient(auth=AnyTenant()) as client:
        answer = await client.post(
            url, json={"decidedBy": "ann"}, headers={"X-Tenant-ID": A_TENANT}, timeout=20
        )

    assert 200 == answer.status_code
    execution = await ended(parts, event)
    assert ("completed", approval_id) == (
        execution.status,
        (execution.results or {})["approval"]["approvalId"],
    )


async def test_a_run_that_waited_while_the_flow_was_changed_and_redeployed_honours_the_decision(
    parts: Orchestra,
    flow_runs: PrefectFlowRuns,
    ledger: Ledger,
    services: AnalysisServices,
    tmp_path: Path,
) -> None:
    event = a_large_deal()
    await parts.bus.publish(event)
    await gated(parts, flow_runs, event)

    parts.worker.stop()
    parts.worker.source = changed_source(tmp_path / "source")
    redeploy(parts, parts.worker.source)
    parts.worker.start()
    assert 200 == (await decide(parts, event)).status_code

    assert "completed" == (await ended(parts, event)).status
    assert "the source was changed" in parts.worker.log
    assert [1, 1, 1, 1] == [len(services.asked[request]) for request in REQUESTED]
    assert {} == ledger.second_ids()


def redeploy(parts: Orchestra, source: Path) -> None:
    bootstrap = [sys.executable, "-m", "deployments.cli", "bootstrap"]
    subprocess.run(
        bootstrap, env=dict(parts.environment), cwd=source, check=True, capture_output=True
    )


def changed_source(folder: Path) -> Path:
    """A copy of the project in which the flow and its task are others than before. What is printed
    has to be in the log at once: nothing else may flush it before the test looks.
    """
    here = Path(__file__).parents[3]
    for package in ("api", "blocks", "deployments", "flows", "listeners"):
        shutil.copytree(
            here / package, folder / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    shutil.copy(here / "prefect.yaml", folder)
    flow = folder / "flows" / "opportunity_analysis.py"
    changed = (
        flow.read_text()
        .replace(
            "    step = STEP_BY_NAME[step_name]\n",
            "    step, _ = STEP_BY_NAME[step_name], 'changed'\n",
        )
        .replace(
            "    context = await runtime.get()\n",
            "    context = await runtime.get()\n    print('the source was changed', flush=True)\n",
        )
    )
    assert changed.count("changed") == 2
    flow.write_text(changed)
    return folder


async def asked(services: AnalysisServices) -> bool:
    return bool(services.asked[REQUESTED[0]])
