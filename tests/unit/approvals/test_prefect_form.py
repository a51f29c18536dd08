"""What a suspended run asks in Prefect's UI, and what is made of what is typed there."""

from typing import Any

import pytest
from prefect.utilities.schema_tools import ValidationError, validate

from blocks.approvals.prefect_ui.answer import RESUMES, Answer, NoAnswer, answer_in
from blocks.approvals.prefect_ui.form import form_of
from blocks.approvals.prefect_ui.question import question_of, waiting_text
from blocks.contracts.approvals import ApprovalPolicy, Approvers
from blocks.contracts.records import ApprovalRecord
from tests.support.factories import an_approval

API = "http://127.0.0.1:3051"

LIMITS = {
    "title": "Terms",
    "required": ["limit"],
    "properties": {
        "limit": {"type": "number", "title": "Limit", "maximum": 20, "description": "In percent."},
        "code": {"type": "string", "pattern": "(a+)+$", "minLength": 2, "maxLength": 9},
        "region": {"$ref": "#/$defs/region"},
        "insured": {"type": "boolean"},
        "tags": {"type": "array", "items": {"enum": ["new", "old"]}, "maxItems": 2},
        "count": {"type": ["integer", "null"]},
        "other": {"oneOf": [{"type": "string"}, {"type": "number"}]},
    },
    "$defs": {"region": {"enum": ["EU", "US"], "title": "Region"}},
}

# --- the form -------------------------------------------------------------------------------------


def refused_by_prefect(form: dict[str, Any], typed: dict[str, Any]) -> str | None:
    """What Prefect's server answers; None: the run is resumed."""
    try:
        validate(typed, form, raise_on_error=True)
    except ValidationError as refusal:
        return str(refusal)
    return None


def test_a_choice_and_a_name_are_required_and_nothing_is_preselected() -> None:
    form = form_of(an_approval())

    assert ["decision", "decided_by"] == form["required"]
    assert ["approve", "reject"] == form["properties"]["decision"]["enum"]
    assert all(shown["title"] for shown in form["properties"].values())
    assert not any("default" in shown for shown in form["properties"].values())
    assert "'decision' is a required property" in str(refused_by_prefect(form, {}))
    only_choice = refused_by_prefect(form, {"decision": "approve"})
    assert "'decided_by' is a required property" in str(only_choice)
    assert "is not one of" in str(
        refused_by_prefect(form, {"decision": "perhaps", "decided_by": "ann"})
    )


def test_the_keys_of_an_earlier_release_are_refused_with_a_reason_that_names_them() -> None:
    refusal = refused_by_prefect(form_of(an_approval()), {"approved": True, "decided_by": "ann"})

    assert refusal is not None
    assert "decision" in refusal or "approved" in refusal


def test_only_permitted_outcomes_are_choices() -> None:
    assert ["reject"] == form_of(an_approval(options=("rejected",)))["properties"]["decision"][
        "enum"
    ]


@pytest.mark.parametrize(
    ("policy", "decision", "is_asked"),
    [
        (ApprovalPolicy(), "reject", True),
        (ApprovalPolicy(), "approve", False),
        (ApprovalPolicy(reason_required="always"), "approve", True),
        (ApprovalPolicy(reason_required="never"), "reject", False),
    ],
)
def test_a_reason_is_asked_where_the_policy_demands_one(
    policy: ApprovalPolicy, decision: str, is_asked: bool
) -> None:
    form = form_of(an_approval(policy=policy))

    refusal = refused_by_prefect(form, {"decision": decision, "decided_by": "ann"})
    assert is_asked == ("'comment' is a required property" in str(refusal))


def test_the_tenants_fields_are_typed() -> None:
    own = form_of(an_approval(form_schema=LIMITS))["properties"]["form"]

    fields = own["properties"]
    assert "Terms" == own["title"]
    assert {"type": "number", "maximum": 20, "title": "Limit"}.items() <= fields["limit"].items()
    assert "In percent. Required to approve." == fields["limit"]["description"]
    assert {"enum": ["EU", "US"], "title": "Region"}.items() <= fields["region"].items()
    assert [True, False] == fields["insured"]["enum"]
    assert "type" not in fields["insured"], "no switch that stands at no"
    assert {"enum": ["new", "old"]} == fields["tags"]["items"]
    assert 2 == fields["tags"]["maxItems"]
    assert "integer" == fields["count"]["type"]
    assert "type" not in fields["other"]
    assert list(range(7)) == [shown["position"] for shown in fields.values()]


def test_no_pattern_of_a_tenant_reaches_prefects_server() -> None:
    code = form_of(an_approval(form_schema=LIMITS))["properties"]["form"]["properties"]["code"]

    assert {"type": "string", "minLength": 2, "maxLength": 9}.items() <= code.items()
    assert "pattern" not in code


@pytest.mark.parametrize(
    "schema",
    [
        {"required": "limit", "properties": []},
        {"required": ["a", "a"], "properties": {"a": {"type": "string", "minLength": -1.5}}},
        {"properties": {"a": {"enum": []}, "b": 7, "c": {"$ref": "#/$defs/none"}}},
        {"properties": {"a": {"type": "array", "items": {"type": "array", "minItems": "two"}}}},
        {"properties": {"a": {"$ref": "#/properties/a"}}},
    ],
)
def test_an_older_record_with_a_faulty_schema_still_has_a_form(schema: dict[str, Any]) -> None:
    form = form_of(an_approval(form_schema=schema))

    rejects = {"decision": "reject", "decided_by": "ann", "comment": "no"}
    assert refused_by_prefect(form, rejects) is None


def test_a_form_goes_with_an_approval_and_not_with_a_rejection() -> None:
    form = form_of(an_approval(form_schema=LIMITS))
    approves = {"decision": "approve", "decided_by": "ann"}
    rejects = {"decision": "reject", "decided_by": "ann", "comment": "no"}

    assert "'form' is a required property" in str(refused_by_prefect(form, approves))
    without = refused_by_prefect(form, {**approves, "form": {}})
    assert "'limit' is a required property" in str(without)
    assert refused_by_prefect(form, {**approves, "form": {"limit": 21}})
    assert refused_by_prefect(form, {**approves, "form": {"limit": 20}}) is None
    assert refused_by_prefect(form, rejects) is None
    assert refused_by_prefect(form, {**rejects, "form": {}}) is None


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"form_schema": LIMITS},
        {"options": ("approved",), "form_schema": LIMITS},
        {"options": ("rejected",)},
        {"policy": ApprovalPolicy(reason_required="always")},
    ],
)
def test_every_form_lets_us_resume_the_run_without_a_decision(changes: dict[str, Any]) -> None:
    form = form_of(an_approval(**changes))

    assert None in [refused_by_prefect(form, typed) for typed in RESUMES]
    assert [None] * len(RESUMES) == [answer_in(typed) for typed in RESUMES]


# --- the answer -----------------------------------------------------------------------------------

APPROVED = Answer("approved", "ann")


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        (None, None),
        ({}, None),
        ({"approved": None, "decided_by": "", "comment": "", "form": None}, None),
        ({"decision": "approve", "decided_by": "ann"}, APPROVED),
        ({"decision": "approve", "decided_by": "ann", "comment": " ", "form": None}, APPROVED),
        ({"approved": True, "decided_by": "ann", "comment": ""}, APPROVED),
        ({"approved": True, "decision": "approve", "decided_by": "ann"}, APPROVED),
        ({"approved": False}, Answer("rejected", "")),
        (
            {"decision": "reject", "decided_by": "ann", "comment": "no", "form": {}},
            Answer("rejected", "ann", "no"),
        ),
        (
            {"decision": "approve", "decided_by": "ann", "form": {"limit": None}},
            Answer("approved", "ann", None, {"limit": None}),
        ),
    ],
)
def test_what_was_typed_is_understood_in_this_form_and_in_the_earlier_one(
    typed: dict[str, Any] | None, expected: Answer | None
) -> None:
    assert expected == answer_in(typed)


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"decided_by": "ann"}, "decision"),
        ({"decision": "perhaps", "decided_by": "ann"}, "decision"),
        ({"decision": True, "approved": False, "decided_by": "ann"}, "decision"),
        ({"approved": 1, "decided_by": "ann"}, "decision"),
        ({"decision": ["approve"], "decided_by": "ann"}, "decision"),
        ({"decision": "approve", "decided_by": 7}, "decided_by"),
        ({"decision": "approve", "decided_by": "ann", "comment": "x" * 4001}, "comment"),
        ({"decision": "approve", "decided_by": "ann", "form": [1]}, "form"),
        ({"decision": "approve", "decided_by": "ann", "coment": "seen"}, "coment"),
    ],
)
def test_what_is_no_decision_names_the_field(typed: dict[str, Any], field: str) -> None:
    with pytest.raises(NoAnswer, match=f"^{field}:"):
        answer_in(typed)


# --- the question ---------------------------------------------------------------------------------


def question(approval: ApprovalRecord, **options: Any) -> str:
    return question_of(approval, api=API, **{"is_trusted": False, **options})


def test_the_question_states_what_is_asked_the_figures_and_where_the_record_is() -> None:
    approval = an_approval(summary="**Approve opportunity 0063X?** Its risk score is 0.9.")

    asked = question(approval)

    assert asked.startswith(approval.summary)
    assert "Amount: 2,000,000.00" in asked
    assert "Risk score: 0.9" in asked
    assert f"({API}/api/v1/hitl/approvals/{approval.id})" in asked
    assert f"orchestrator approvals show {approval.id} --tenant {approval.tenant_id}" in asked


def test_text_from_outside_makes_no_link_picture_or_html() -> None:
    evil = "![x](http://evil.example/a.png) <img src=x onerror=alert(1)> [y](javascript:alert(1))"
    approval = an_approval(summary=evil, subject=f"a{evil}", requested_by=evil)

    for asked in (question(approval), question(an_approval(), refusal=evil)):
        bare = asked.replace("\\\\", "").split("The whole record:")[0]
        assert not any(
            mark in bare.replace("\\[", "").replace("\\<", "").replace("\\!", "")
            for mark in ("![", "<img", "[y]")
        )


def test_long_texts_are_cut() -> None:
    long = an_approval(summary="x" * 50_000, subject="s" * 50_000, owner_id="o" * 50_000)

    assert 4_000 > len(question(long, refusal="r" * 50_000))
    assert 1_000 > len(waiting_text(long, "r" * 50_000))


def test_a_form_that_cannot_decide_says_so() -> None:
    bobs = an_approval(policy=ApprovalPolicy(approvers=Approvers(users=("bob",))))

    assert "This form cannot decide it" in question(bobs)
    assert "This form cannot decide it" not in question(bobs, is_trusted=True)
    assert "recorded as a claim" in question(an_approval())


def test_the_state_says_why_the_last_answer_did_not_count() -> None:
    approval = an_approval()

    assert waiting_text(approval, "decided_by must not be empty") == (
        f"The last answer did not count: decided_by must not be empty. {waiting_text(approval)}"
    )
