"""What an execution waits for at its gate: the rule's own approval, whatever others asked for."""

from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from blocks.approvals import lifecycle
from blocks.contracts import ids
from blocks.contracts.approvals import ApprovalPolicy, ApprovalRule, Approvers
from blocks.contracts.records import ApprovalRecord, PreviousOutcome
from blocks.ports import Stored
from blocks.services import open_bus, open_store
from blocks.settings import load_settings
from flows.analysis.approval import GATE
from flows.analysis.progress import Analysis, AnalysisRules
from flows.shared.approval_gate import asked_at_gate
from flows.shared.runtime import Runtime
from tests.support.factories import A_TENANT, an_approval, an_execution, now
from tests.support.flow_runs import RememberedFlowRuns

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


async def test_without_a_rule_only_what_others_asked_for_is_waited_for(context: Runtime) -> None:
    other = an_approval()

    _, asked = await at_gate(context, ASKS_NEVER, other)

    assert [other.id] == [one.record.id for one in asked]
