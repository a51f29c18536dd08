"""A rule decides who is asked.

A tenant's definition of a workflow holds an approval rule: conditions over what the steps found
and what the event stated, and the policy of the approval. If all conditions hold, the execution
waits at its gate for a person. A condition that cannot be judged asks, too: money is never
released because a value is missing. The gate computes the approval's id, so a retried flow run
finds the approval that it asked for.

Code: `blocks/approvals/conditions.py` judges, `flows/shared/approval_gate.py` asks and waits.
"""

import pytest

from blocks.contracts.approvals import ApprovalPolicy, ApprovalRule, Approvers, Condition
from flows.analysis.progress import Analysis, rules_in
from flows.shared.approval_gate import asked_at_gate
from flows.shared.runtime import Runtime
from tests.support.factories import A_TENANT, a_definition, an_execution

DIRECTORS = ApprovalPolicy(approvers=Approvers(roles=("director",)))
LARGE_AND_RISKY = ApprovalRule(
    enabled=True,
    conditions=[
        Condition(path="subject.amount", op="gte", value=1_000_000),
        Condition(path="results.risk.riskScore", op="gte", value=0.8),
    ],
    policy=DIRECTORS,
)


async def at_gate(runtime: Runtime, risk: float, **facts: object) -> Analysis:
    """An analysis whose steps have ended, under the rule above."""
    found = {"risk": {"riskScore": risk}}
    execution = an_execution(status="awaiting_approval", input=facts, results=found)
    stored = await runtime.store.create(A_TENANT, execution)
    return Analysis(stored, rules_in(a_definition(approval=LARGE_AND_RISKY)))


@pytest.mark.parametrize(
    ("amount", "risk", "asks"),
    [(2_000_000, 0.9, True), (2_000_000, 0.2, False), (5_000, 0.9, False)],
)
async def test_a_person_is_asked_if_every_condition_holds(
    runtime: Runtime, amount: int, risk: float, asks: bool
) -> None:
    assert asks is (await at_gate(runtime, risk, amount=amount)).rule_asks


async def test_a_condition_that_cannot_be_judged_asks(runtime: Runtime) -> None:
    without_amount = await at_gate(runtime, 0.9, stage="negotiation")

    assert without_amount.rule_asks
    assert ("subject.amount is unknown: no event states it",) == without_amount.judgement.reasons


async def test_the_gate_asks_once_with_the_policy_of_the_rule(runtime: Runtime) -> None:
    analysis = await at_gate(runtime, 0.9, amount=2_000_000)

    [approval] = await asked_at_gate(runtime, analysis)
    [again] = await asked_at_gate(runtime, analysis)

    assert ("pending", DIRECTORS) == (approval.record.status, approval.record.policy)
    assert approval.record.id == again.record.id
