"""Conditions are true, false, or cannot be judged; what a condition cannot mean is refused when it
is written.
"""

from contextlib import suppress
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.approvals.condition_rules import condition_problem, rule_problems
from blocks.approvals.conditions import judge, judge_all
from blocks.approvals.events import unpublished
from blocks.clock import utc_now
from blocks.contracts.approvals import ApprovalRule, Condition
from blocks.contracts.envelope import decode_event
from blocks.contracts.events import HitlApprovalRequested
from blocks.contracts.opportunity_facts import Unknown, amount_of, merged, owner_of
from blocks.contracts.reading.numbers import Unreadable, is_number, read_number
from blocks.ports import Stored
from flows.analysis.progress import Analysis, AnalysisRules
from listeners.triggers.table import TRIGGERS
from tests.support.factories import A_TENANT, an_execution

PATH = "subject.data.x"
RULE = ApprovalRule(
    enabled=True, conditions=[Condition(path="subject.amount", op="gte", value=1_000_000)]
)


def decoded_input(event_type: str, **data: Any) -> dict[str, Any]:
    body = {"id": "e-1", "type": event_type, "tenantId": A_TENANT, "data": data}
    decoded = decode_event(msgspec.json.encode(body), received_at=utc_now()).data
    return TRIGGERS[type(decoded)].input(decoded)


def analysis_of(stated: dict[str, Any], rule: ApprovalRule = RULE) -> Analysis:
    rules = AnalysisRules(
        critical_steps=frozenset(), step_timeout=timedelta(seconds=9), approval=rule
    )
    return Analysis(Stored(an_execution(input=stated), "etag"), rules)


def nested(levels: int, innermost: dict[str, Any]) -> dict[str, Any]:
    place = innermost
    for _ in range(levels):
        place = {"data": place}
    return place


@pytest.mark.parametrize("event_type", ["integration.opportunity.updated", "shard.updated"])
@pytest.mark.parametrize(
    "carried",
    [
        {"amount": 2_500_000},
        {"Amount": "2000000"},
        {"value": " 2e6 "},
        {"changes": {"Amount": "2,000,000.00"}},
        {"changes": {"Amount": {"old": 5, "new": 2_000_000}}},
        {"changes": {"amount": {"from": 5, "to": "2.000.000,00"}}},
        {"changes": [{"field": "Amount", "oldValue": 5, "newValue": 2_000_000}]},
        {"metadata": {"amount": 2_000_000, "__prefect_kind": "json"}},
        {"structuredData": {"Amount": 2_000_000}},
        {"amount": 5, "changes": {"Amount": 2_000_000}},
        {"amount": "EUR 1.5m"},
        {"amount": True},
        {"amount": -3},
        {"amount": 10**400},
        {"amount": "1e400"},
        {"amount": "NaN"},
        {"amount": "1,234"},
        {"amount": "1,000,000.50.7"},
        {"amount": "1.000.000,50,7"},
        {"amount": "0,500,000"},
        {"amount": 5, "Amount ": 2_000_000},
        {"amount": 5, "ＡＭＯＵＮＴ": 2_000_000},
        {"amount": 5, "metadata": nested(6, {"amount": 2_000_000})},
        {"amount": 5, "metadata": nested(40, {"changes": [{"field": "Amount", "new": 2_000_000}]})},
        {"amount": 5, "metadata": nested(90, {"amount": 2_000_000})},
        {"amount": None},
        {},
    ],
)
def test_an_amount_that_is_large_or_not_certain_asks(
    event_type: str, carried: dict[str, Any]
) -> None:
    stated = decoded_input(event_type, opportunityId="o-1", shardId="s-1", **carried)

    assert analysis_of(stated).needs_approval
    assert not analysis_of(stated, msgspec.structs.replace(RULE, enabled=False)).needs_approval
    skips = msgspec.structs.replace(RULE, on_unknown="skip")
    assert analysis_of(stated, skips).needs_approval is not isinstance(amount_of(stated), Unknown)


@pytest.mark.parametrize(
    "carried",
    [
        {"amount": 5},
        {"Amount": "999,999.99"},
        {"changes": {"Amount": {"new": 0}}},
        {"amount": 5, "metadata": nested(40, {"stage": "won", "Amount__c": 2_000_000})},
        {"amount": 5, "Amount__c": 2_000_000, "dealAmount": 2_000_000},
    ],
)
def test_a_small_amount_needs_no_approval(carried: dict[str, Any]) -> None:
    assert not analysis_of(
        decoded_input("integration.opportunity.updated", opportunityId="o", **carried)
    ).needs_approval


def test_the_newest_known_amount_counts_and_silence_erases_none() -> None:
    first = {"metadata": {"amount": 5, "a": 1}, "changes": {"stage": "x"}}

    assert 7 == amount_of(merged(first, {"changes": {"Amount": 7}}))
    assert 5 == amount_of(merged(first, {"changes": {"stage": "y"}, "metadata": None}))
    assert 5 == amount_of(merged(first, {"note": "n" * 300_000}))


def test_what_stands_too_deep_is_not_certain_also_beside_what_an_absorbed_event_brings() -> None:
    deep = {"metadata": nested(6, {"amount": 2_000_000, "ownerId": "u-2"})}
    both = merged({"amount": 5, "ownerId": "u-1"}, deep)

    assert isinstance(amount_of(both), Unknown)
    assert isinstance(owner_of(both), Unknown)
    assert isinstance(amount_of(merged(deep, {"note": "n" * 300_000})), Unknown)
    assert isinstance(owner_of(merged(deep, {"note": "n" * 300_000})), Unknown)


@pytest.mark.parametrize("op", ["eq", "ne", "lt", "lte", "gt", "gte", "in"])
@pytest.mark.parametrize("found", [None, "x", [], {}, True, "1,234", ...])
def test_what_cannot_be_compared_with_a_number_cannot_be_judged(op: Any, found: Any) -> None:
    facts = {"subject": {"data": {} if found is ... else {"x": found}}}
    judgement = judge(Condition(path=PATH, op=op, value=[5] if op == "in" else 5), facts)

    assert judgement.holds is None
    assert PATH in judgement.reasons[0]


@given(
    found=st.integers() | st.floats(allow_nan=False, allow_infinity=False),
    limit=st.integers(-9, 9) | st.floats(-9, 9),
    op=st.sampled_from(["eq", "ne", "lt", "lte", "gt", "gte"]),
)
def test_a_number_and_its_text_are_judged_the_same(found: float, limit: float, op: Any) -> None:
    condition = Condition(path=PATH, op=op, value=limit)
    as_number = judge(condition, {"subject": {"data": {"x": found}}}).holds
    as_text = judge(condition, {"subject": {"data": {"x": str(found)}}}).holds

    assert as_text == (as_number if is_number(str(found)) else None)


def test_one_that_is_false_counts_more_than_one_that_cannot_be_judged() -> None:
    facts = {"subject": {"data": {"x": 1}}}
    unknown, false = (
        Condition(path="subject.y", op="eq", value=1),
        Condition(path=PATH, op="eq", value=2),
    )

    assert judge_all([unknown, false], facts).holds is False
    assert judge_all([unknown], facts).holds is None
    assert judge_all([], facts).holds is True


@pytest.mark.parametrize(
    ("path", "op", "value", "problem"),
    [
        ("subject.amuont", "gte", 5, "subject.amount"),
        ("results.risk.riskscore", "gte", 0.5, "results.risk.riskScore"),
        ("results.riks.riskScore", "gte", 0.5, "results.risk.riskScore"),
        ("results.risk.riskScore", "gte", 80, "0 to 1"),
        ("subject.amount", "gte", "much", "is a number"),
        ("subject.amount", "gte", float("nan"), "finite"),
        ("subject.stage", "in", [], "at least one"),
        ("subject.stage", "eq", None, "exists"),
        ("results.risk.detectedRisks", "gte", 1, "exists"),
    ],
)
def test_a_condition_that_cannot_be_meant_is_refused(
    path: str, op: Any, value: Any, problem: str
) -> None:
    found = condition_problem(Condition(path=path, op=op, value=value))

    assert found is not None
    assert problem in found[1]


@pytest.mark.parametrize(
    "path", ["subject.changes.Region__c", "subject.data.region", "subject.amount"]
)
def test_a_field_of_the_tenants_own_is_accepted(path: str) -> None:
    assert condition_problem(Condition(path=path, op="gte", value="2000000")) is None


def test_limits_that_contradict_each_other_are_refused() -> None:
    between = [
        Condition(path="subject.amount", op="gte", value=5),
        Condition(path="subject.amount", op="lt", value=5),
    ]

    assert ["conditions"] == [field for field, _ in rule_problems(ApprovalRule(conditions=between))]
    assert ["minRiskScore"] == [
        field for field, _ in rule_problems(ApprovalRule(min_risk_score=80))
    ]


NUMBER_TEXTS = st.one_of(
    st.text(), st.text("0123456789.,+-eE "), st.from_regex(r"[1-9](,[0-9]{3}){1,3}(\.[0-9]+){0,3}")
)


@given(NUMBER_TEXTS)
def test_every_text_is_a_finite_number_or_is_unreadable(text: str) -> None:
    with suppress(Unreadable):
        assert abs(read_number(text)) < float("inf")


@pytest.mark.parametrize(
    "rule",
    [
        ApprovalRule(enabled=True, min_risk_score=80),
        ApprovalRule(enabled=True, min_amount=float("nan")),
        ApprovalRule(
            enabled=True, conditions=[Condition(path="subject.amuont", op="exists", value=True)]
        ),
        ApprovalRule(
            enabled=True,
            on_unknown="skip",
            conditions=[Condition(path="subject.amount", op="gt", value="x")],
        ),
    ],
)
def test_a_stored_rule_that_would_be_refused_today_asks(rule: ApprovalRule) -> None:
    analysis = analysis_of({"amount": 5}, rule)

    assert analysis.needs_approval
    assert "the rule's" in analysis.judgement.reasons[0]


@pytest.mark.parametrize("stated", [{}, {"amount": "1,234"}, {"amount": 10**400}])
def test_a_person_and_consumers_see_that_the_amount_is_not_known(stated: dict[str, Any]) -> None:
    analysis = analysis_of(stated)

    approval = analysis.approval()
    (event,) = unpublished(approval)

    assert (False, 0.0) == (approval.amount_known, approval.amount)
    assert isinstance(event.data, HitlApprovalRequested)
    assert event.data.amount_known is False
    assert "its amount is unknown (" in approval.summary
    assert list(analysis.judgement.reasons) == approval.context["reasons"]
