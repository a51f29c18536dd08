"""The approval gate, on a real Prefect server: the run is suspended, a person's input resumes it,
the record states.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest

from blocks.adapters.prefect.flow_runs import PrefectFlowRuns
from blocks.approvals import lifecycle
from blocks.approvals.decisions import Vote
from blocks.contracts import ids
from blocks.contracts.analysis import WORKFLOW
from blocks.contracts.definitions import (
    WantedDefinition,
    WantedPolicy,
    WantedRule,
    WantedStage,
)
from blocks.contracts.records import ApprovalRecord
from blocks.definitions.versions import reset_definition, set_definition
from tests.support.analyses import a_large_deal, an_opportunity, ended, gated, recorded
from tests.support.factories import A_TENANT
from tests.support.run_logs import client_of, form_of_suspension, run_log_of
from tests.support.servers.prefect_server import PrefectServer
from tests.support.system.analysis_services import AnalysisServices
from tests.support.system.ledger import REQUESTED, Ledger
from tests.support.system.orchestra import Orchestra, orchestra
from tests.support.waiting import eventually


@pytest.fixture
async def parts(tmp_path: Path, prefect_server: PrefectServer) -> AsyncIterator[Orchestra]:
    async with orchestra(tmp_path, prefect_server, HITL_APPROVALS_ENABLED="true") as parts:
        parts.listener.start()
        parts.worker.start()
        yield parts


def decision(*, approved: bool) -> dict[str, Any]:
    choice = "approve" if approved else "reject"
    return {"decision": choice, "decided_by": "ann", "comment": "seen"}


async def test_an_approved_analysis_completes_and_states_who_decided(
    parts: Orchestra, ledger: Ledger, services: AnalysisServices, flow_runs: PrefectFlowRuns
) -> None:
    event = a_large_deal()
    await parts.bus.publish(event)
    waiting = await gated(parts, flow_runs, event)

    assert await flow_runs.resume(waiting.flow_run_id or "", decision(approved=True))

    execution = await ended(parts, event)
    assert execution.status == "completed"
    assert {"approved": True, "decidedBy": "claimed:ann"}.items() <= (execution.results or {})[
        "approval"
    ].items()
    approval = await parts.store.read(
        A_TENANT, ApprovalRecord, ids.approval_id(execution.id, "analysis")
    )
    assert ("approved", "claimed:ann", "prefect-ui") == (
        approval.record.status,
        approval.record.decided_by,
        approval.record.decided_through,
    )
    assert [1, 1, 1, 1] == [len(services.asked[request]) for request in REQUESTED]
    for what in ("requested", "completed"):
        assert 1 == len(await ledger.published(f"hitl.approval.{what}"))
    assert {} == ledger.second_ids()


async def test_a_rejected_analysis_fails_with_that_reason(
    parts: Orchestra, services: AnalysisServices, flow_runs: PrefectFlowRuns
) -> None:
    event = a_large_deal()
    await parts.bus.publish(event)
    waiting = await gated(parts, flow_runs, event)

    assert await flow_runs.resume(waiting.flow_run_id or "", decision(approved=False))

    execution = await ended(parts, event)
    assert ("failed", "approval-rejected", "rejected by claimed:ann") == (
        execution.status,
        execution.error_code,
        execution.error,
    )

    async def is_failed() -> bool:
        [run] = await flow_runs.read_runs([waiting.flow_run_id or ""])
        return run.state == "failed" and "rejected by claimed:ann" in (run.message or "")

    assert await eventually(is_failed, within_seconds=30)


async def test_a_wrong_form_is_refused_and_the_run_waits_on(
    parts: Orchestra, services: AnalysisServices, flow_runs: PrefectFlowRuns
) -> None:
    event = a_large_deal()
    await parts.bus.publish(event)
    waiting = await gated(parts, flow_runs, event)

    for wrong in ({"decision": "perhaps", "decided_by": "ann"}, {"decision": "approve"}, {}):
        assert not await flow_runs.resume(waiting.flow_run_id or "", wrong)
    assert await flow_runs.resume(waiting.flow_run_id or "", decision(approved=True))

    assert (await ended(parts, event)).status == "completed"


async def test_the_run_says_what_it_asks_and_its_log_what_happened(
    parts: Orchestra,
    services: AnalysisServices,
    flow_runs: PrefectFlowRuns,
    prefect_server: PrefectServer,
) -> None:
    event = a_large_deal()
    await parts.bus.publish(event)
    waiting = await gated(parts, flow_runs, event)
    run_id, approval_id = waiting.flow_run_id or "", ids.approval_id(waiting.id, "analysis")
    async with client_of(prefect_server) as client:
        form, text, message = await form_of_suspension(client, run_id)

    assert ["decision", "decided_by"] == form["required"]
    assert "Amount: 2,000,000.00" in text
    assert f"/api/v1/hitl/approvals/{approval_id}" in text
    assert message.startswith(f"Waits for a decision on {waiting.subject}")

    assert await flow_runs.resume(run_id, decision(approved=False))
    await ended(parts, event)

    async def has_ended() -> list[str]:
        lines = await run_log_of(prefect_server, run_id)
        return lines if any("has failed (approval-rejected)" in line for line in lines) else []

    lines = "\n".join(await eventually(has_ended, within_seconds=30))
    for part in (
        f"claimed execution {waiting.id}",
        f"approval {approval_id} is asked: ",
        "waits for a person's decision",
        f"approval {approval_id} is rejected by claimed:ann through prefect-ui",
    ):
        assert part in lines, part
    assert not [
        line
        for line in await run_log_of(prefect_server, run_id, "WARNING")
        if "approval-rejected" not in line and "rejected by" not in line
    ]


async def test_the_form_of_an_earlier_release_still_decides(
    parts: Orchestra,
    services: AnalysisServices,
    flow_runs: PrefectFlowRuns,
    prefect_server: PrefectServer,
) -> None:
    """A run that was suspended before an upgrade has the form of then, and its keys."""
    event = a_large_deal()
    await parts.bus.publish(event)
    waiting = await gated(parts, flow_runs, event)
    run_id = waiting.flow_run_id or ""
    async with client_of(prefect_server) as client:
        name = f"suspended-{ids.approval_id(waiting.id, 'analysis')}-schema"
        await client.delete_flow_run_input(UUID(run_id), name)
        value = msgspec.json.encode(FORM_OF_AN_EARLIER_RELEASE).decode()
        await client.create_flow_run_input(UUID(run_id), name, value)

    earlier = {"approved": True, "decided_by": "ann", "comment": "seen"}
    assert await flow_runs.resume(run_id, earlier)

    execution = await ended(parts, event)
    assert ("completed", "claimed:ann") == (
        execution.status,
        (execution.results or {})["approval"]["decidedBy"],
    )


FORM_OF_AN_EARLIER_RELEASE = {
    "title": "ApprovalInput",
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "approved": {"anyOf": [{"type": "boolean"}, {"type": "null"}], "default": None},
        "decided_by": {"type": "string", "default": ""},
        "comment": {"type": "string", "default": ""},
        "form": {
            "anyOf": [{"type": "object", "additionalProperties": True}, {"type": "null"}],
            "default": None,
        },
    },
}


async def test_a_worker_that_is_restarted_while_a_person_thinks_changes_nothing(
    parts: Orchestra, services: AnalysisServices, flow_runs: PrefectFlowRuns
) -> None:
    event = a_large_deal()
    await parts.bus.publish(event)
    waiting = await gated(parts, flow_runs, event)

    parts.worker.kill()
    parts.worker.start()
    assert await flow_runs.resume(waiting.flow_run_id or "", decision(approved=True))

    assert (await ended(parts, event)).status == "completed"


async def test_an_execution_that_needs_a_person_leaves_its_batch(
    parts: Orchestra, services: AnalysisServices, flow_runs: PrefectFlowRuns
) -> None:
    large = a_large_deal()
    small = [an_opportunity(metadata={"amount": 1_000}) for _ in range(5)]
    parts.worker.kill()  # so that they wait for a worker, and go out together
    await parts.bus.publish(small[0])
    await recorded(parts, small[0])
    await parts.bus.publish(large, *small[1:])
    parts.worker.start()

    waiting = await gated(parts, flow_runs, large)
    assert ["completed"] * 5 == [(await ended(parts, event)).status for event in small]

    assert await flow_runs.resume(waiting.flow_run_id or "", decision(approved=True))
    assert (await ended(parts, large)).status == "completed"


async def test_a_tenants_own_rule_asks_a_person_and_is_kept_by_who_started_with_it(
    parts: Orchestra, services: AnalysisServices, flow_runs: PrefectFlowRuns
) -> None:
    asks_always = WantedDefinition(
        approval=WantedRule(enabled=True, conditions=[], on_reject="complete")
    )
    await set_definition(parts.store, A_TENANT, WORKFLOW, parts.settings, asks_always)
    event = an_opportunity()  # small: the platform's rule asks no one
    await parts.bus.publish(event)
    waiting = await gated(parts, flow_runs, event)

    await reset_definition(parts.store, A_TENANT, WORKFLOW, parts.settings)
    assert await flow_runs.resume(waiting.flow_run_id or "", decision(approved=False))

    execution = await ended(parts, event)
    assert ("completed", 1) == (execution.status, execution.definition_version)
    assert "rejected" == (execution.results or {})["approval"]["status"]


async def test_an_answer_for_a_stage_that_was_decided_meanwhile_is_none_for_the_next(
    parts: Orchestra,
    services: AnalysisServices,
    flow_runs: PrefectFlowRuns,
    prefect_server: PrefectServer,
) -> None:
    two = WantedStage(name="two", policy=WantedPolicy(allow_repeat=True))
    rule = WantedRule(enabled=True, stages=[WantedStage(name="one"), two])
    asks_twice = WantedDefinition(approval=rule)
    await set_definition(parts.store, A_TENANT, WORKFLOW, parts.settings, asks_twice)
    event = a_large_deal()
    await parts.bus.publish(event)
    waiting = await gated(parts, flow_runs, event)
    run_id, approval_id = waiting.flow_run_id or "", ids.approval_id(waiting.id, "analysis")
    vote = Vote(actor="bob", outcome="approved", channel="api")
    await lifecycle.record_vote(parts.store, A_TENANT, approval_id, vote)

    assert await flow_runs.resume(run_id, decision(approved=True))  # reading stage one

    async with client_of(prefect_server) as client:

        async def asks_for_two() -> str:
            [run] = await flow_runs.read_runs([run_id])
            if run.state != "paused":
                return ""
            _, text, message = await form_of_suspension(client, run_id)
            return message if "Stage: two" in text else ""

        message = await eventually(asks_for_two, within_seconds=30)
    assert message.startswith("The last answer did not count: ann: stage one")
    assert await flow_runs.resume(run_id, decision(approved=True))

    execution = await ended(parts, event)
    decisions = (execution.results or {})["approval"]["decisions"]
    assert [("one", "bob"), ("two", "claimed:ann")] == [
        (one["stage"], one["actor"]) for one in decisions
    ]
