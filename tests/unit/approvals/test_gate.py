"""What an execution waits for at its gate: the rule's own approval, whatever others asked for. And
that it waits in a state from which every decision leads on.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import Any, TypeVar, cast

import msgspec
import pytest
from prefect.exceptions import Pause

from blocks.adapters.forwarding import ForwardingRecordStore
from blocks.approvals import lifecycle
from blocks.approvals.decisions import Vote
from blocks.contracts import ids
from blocks.contracts.analysis import ANALYSIS_STEPS
from blocks.contracts.approvals import ApprovalPolicy, ApprovalRule, Approvers
from blocks.contracts.records import ApprovalRecord, ExecutionRecord, PreviousOutcome, Record
from blocks.executions import transitions
from blocks.executions.steps import record_step
from blocks.ports import Message, RecordStore, Stored
from blocks.services import open_bus, open_store
from blocks.settings import load_settings
from flows.analysis.approval import GATE
from flows.analysis.batch import AnalysisBatch
from flows.analysis.progress import Analysis, AnalysisRules
from flows.shared import gate_wait
from flows.shared.approval_gate import asked_at_gate, pass_gate
from flows.shared.runtime import Runtime
from tests.support.factories import A_TENANT, an_approval, an_execution, now
from tests.support.flow_runs import RememberedFlowRuns
from tests.support.system.ledger import ledger_of

ENDED = PreviousOutcome(status="failed", completed_at=now(), retried_at=now())
TWO_PEOPLE = ApprovalPolicy(approvers=Approvers(users=("ann", "bob")), quorum=2)
ASKS_ALWAYS = ApprovalRule(enabled=True, conditions=[], policy=TWO_PEOPLE)
ASKS_NEVER = ApprovalRule(enabled=False)

ENDS: list[dict[str, Any]] = [
    {"status": "pending"},
    {"status": "approved"},
    {"status": "expired", "on_expiry": "approve"},
    {"status": "rejected", "on_reject": "complete"},
    {"status": "expired", "on_expiry": "reject", "on_reject": "complete"},
    {"status": "rejected"},
    {"status": "cancelled"},
    {"status": "cancelled", "on_reject": "complete"},
    {"status": "expired", "on_expiry": "fail"},
]
FAILING = ENDS[5:]

REPEATED = {
    "workflow.opportunity.analysis.started",
    "workflow.step.completed",
    "workflow.opportunity.analysis.completed",
}

R = TypeVar("R", bound=Record)


@pytest.fixture
async def context(tmp_path: Path) -> AsyncIterator[Runtime]:
    settings = load_settings({"ORCHESTRATOR_DATA_DIR": str(tmp_path)})
    async with open_store(settings) as store, open_bus(settings, "test") as bus:
        yield Runtime(settings, bus, store, RememberedFlowRuns())


async def at_gate(
    context: Runtime, rule: ApprovalRule, *asked: ApprovalRecord, retries: int = 0
) -> tuple[Analysis, list[Stored[ApprovalRecord]]]:
    execution = an_execution(
        status="awaiting_approval",
        previous_outcomes=[ENDED] * retries,
        approval_ids=[one.id for one in asked],
    )
    stored = await context.store.create(A_TENANT, execution)
    for one in asked:
        attached = {"execution_id": execution.id, "gate": GATE, "correlation_id": "the gate's"}
        await context.store.create(A_TENANT, an_approval(**{**_facts(one), **attached}))
    analysis = Analysis(stored, AnalysisRules(frozenset(), timedelta(60), rule))
    return analysis, await asked_at_gate(context, analysis)


def _facts(one: ApprovalRecord) -> dict[str, Any]:
    return {
        name: getattr(one, name) for name in ("id", "status", "on_expiry", "on_reject", "retry")
    }


@pytest.mark.parametrize(("end", "retries"), list(product(ENDS, [0, 1])))
async def test_the_rules_own_is_asked_whatever_others_asked_for(
    context: Runtime, end: dict[str, Any], retries: int
) -> None:
    analysis, asked = await at_gate(context, ASKS_ALWAYS, an_approval(**end), retries=retries)

    [own] = [one for one in asked if one.record.id == ids.approval_id(analysis.id, GATE, retries)]
    assert ("pending", TWO_PEOPLE) == (own.record.status, own.record.policy)
    verdict = lifecycle.verdict(asked)
    assert verdict is None or (end in FAILING and not lifecycle.lets_complete(verdict.record))
    assert len(asked) == len(await asked_at_gate(context, analysis)), "it is asked once"


async def test_the_rules_own_that_was_granted_in_an_earlier_try_is_not_asked_again(
    context: Runtime,
) -> None:
    execution = await context.store.create(
        A_TENANT, an_execution(status="awaiting_approval", previous_outcomes=[ENDED])
    )
    own = an_approval(
        id=ids.approval_id(execution.record.id, GATE, 0),
        execution_id=execution.record.id,
        status="approved",
    )
    await context.store.create(A_TENANT, own)

    analysis = Analysis(execution, AnalysisRules(frozenset(), timedelta(60), ASKS_ALWAYS))
    assert [own.id] == [one.record.id for one in await asked_at_gate(context, analysis)]


@pytest.mark.parametrize(
    ("public_url", "page"),
    [("", None), ("https://api.example/", "https://api.example/approvals/{id}")],
)
async def test_the_request_names_the_page_on_which_people_decide(
    tmp_path: Path, public_url: str, page: str | None
) -> None:
    settings = load_settings({"ORCHESTRATOR_DATA_DIR": str(tmp_path), "PUBLIC_URL": public_url})
    async with (
        open_store(settings) as store,
        open_bus(settings, "test") as bus,
        ledger_of(bus, "pages") as ledger,
    ):
        _, [own] = await at_gate(Runtime(settings, bus, store, RememberedFlowRuns()), ASKS_ALWAYS)
        [event] = await ledger.published("hitl.approval.requested")

    assert (page and page.format(id=own.record.id)) == event["data"].get("approvalUrl")


async def test_without_a_rule_only_what_others_asked_for_is_waited_for(context: Runtime) -> None:
    other = an_approval()

    _, asked = await at_gate(context, ASKS_NEVER, other)

    assert [other.id] == [one.record.id for one in asked]


# --- one more is requested while it ends ----------------------------------------------------------


class RequestsOneMore(ForwardingRecordStore):
    """Another caller requests an approval just before an execution is written with this status."""

    def __init__(self, store: RecordStore, **requests: ApprovalRecord) -> None:
        super().__init__(store)
        self._requests = requests
        """By the status that the execution is about to get; each is made once."""

    async def replace(self, tenant_id: str, etag: str, record: R) -> Stored[R]:
        if isinstance(record, ExecutionRecord) and record.status in self._requests:
            asked = await self._store.create(tenant_id, self._requests.pop(record.status))
            await lifecycle.attach(self._store, asked)
        return await super().replace(tenant_id, etag, record)


def on(store: RecordStore, context: Runtime) -> Runtime:
    return Runtime(context.settings, context.bus, store, context.flow_runs)


async def granted(context: Runtime) -> tuple[Analysis, ApprovalRecord]:
    """An execution whose only approval is granted, in the run that has been resumed for it."""
    execution = an_execution(status="awaiting_approval", flow_run_id="run-1")
    first = an_approval(
        execution_id=execution.id,
        status="approved",
        decided_at=now() - timedelta(hours=1),
        decided_through="prefect-ui",
    )
    await context.store.create(A_TENANT, first)
    stored = await context.store.create(
        A_TENANT, msgspec.structs.replace(execution, approval_ids=[first.id])
    )
    return Analysis(stored, AnalysisRules(frozenset(), timedelta(60), ASKS_NEVER)), first


async def execution_of(context: Runtime, analysis: Analysis) -> ExecutionRecord:
    return (await context.store.read(A_TENANT, ExecutionRecord, analysis.id)).record


def deciding_in(execution: ExecutionRecord) -> str:
    return str((execution.results or {})["approval"]["approvalId"])


async def decide(context: Runtime, approval: ApprovalRecord) -> None:
    vote = Vote(actor="ann", outcome="approved", channel="prefect-ui")
    decided = await lifecycle.record_vote(context.store, A_TENANT, approval.id, vote)
    await lifecycle.resume(context.store, context.bus, context.flow_runs, decided.record)


async def test_one_that_waits_for_one_more_awaits_approval_and_its_run_is_resumed(
    context: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    analysis, _ = await granted(context)
    second, third = (an_approval(execution_id=analysis.id) for _ in range(2))
    store = RequestsOneMore(context.store, completed=second, awaiting_approval=third)
    statuses: list[str] = []

    async def suspended(*_: Any) -> None:
        statuses.append((await execution_of(context, analysis)).status)
        raise Pause

    monkeypatch.setattr(gate_wait, "wait", suspended)
    with pytest.raises(Pause):
        await pass_gate(on(store, context), analysis)
    await decide(context, second)
    await decide(context, third)

    assert ["awaiting_approval"] == statuses
    assert ["run-1"] == cast("RememberedFlowRuns", context.flow_runs).resumed
    await pass_gate(context, analysis)
    ended = await execution_of(context, analysis)
    assert ("completed", third.id) == (ended.status, deciding_in(ended))


async def test_its_results_name_the_approval_that_decided_last(context: Runtime) -> None:
    analysis, _ = await granted(context)
    second = an_approval(
        execution_id=analysis.id, status="approved", decided_at=now(), decided_through="prefect-ui"
    )

    await pass_gate(on(RequestsOneMore(context.store, completed=second), context), analysis)

    ended = await execution_of(context, analysis)
    assert ("completed", second.id) == (ended.status, deciding_in(ended))


async def test_one_whose_worker_died_before_its_end_comes_back_to_its_gate_and_ends(
    context: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    published: list[str] = []

    async def publish(*messages: Message, required: bool = False) -> None:
        published.extend(message.routing_key for message in messages)

    monkeypatch.setattr(context.bus, "publish", publish)
    analysis, first = await granted(context)
    for step in ANALYSIS_STEPS:
        await record_step(context.store, analysis.stored.record, step.name, result={})
    long_ago = now() - timedelta(days=100)
    analysis.stored = await transitions.move(
        context.store, analysis.stored, "running", started_at=long_ago
    )

    batch = AnalysisBatch(context, A_TENANT, [analysis])
    await batch.start()
    await batch.ask()
    await asyncio.wait_for(batch.conclude(), timeout=10)
    assert analysis.awaits_approval
    await pass_gate(context, analysis)

    ended = await execution_of(context, analysis)
    assert ("completed", first.id) == (ended.status, deciding_in(ended))
    assert REPEATED == set(published), "no step is requested once more"
