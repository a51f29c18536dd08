"""Schemas of forms: what may be asked for, and what a form costs the process that checks it."""

import asyncio
from collections.abc import Mapping
from time import perf_counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.approvals.form_fields import fields_of
from blocks.approvals.decisions import InvalidVote, Vote, decided
from blocks.approvals.forms import FormProblem, check_form, check_schema, off_loop
from tests.support.factories import an_approval, now


def nested(depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(depth):
        schema = {"properties": {"a": schema}}
    return schema


REFUSED: Mapping[str, dict[str, Any]] = {
    "itself": {"$ref": "#"},
    "itself below": {"properties": {"a": {"$ref": "#"}}},
    "a ring": {
        "properties": {"a": {"$ref": "#/$defs/a"}},
        "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}},
    },
    "a ring that nothing applies": {"$defs": {"a": {"items": {"$ref": "#/$defs/a"}}}},
    "a ring through a part": {"properties": {"a": {"items": {"$ref": "#/properties/a"}}}},
    "a ring through an escaped name": {"$defs": {"a/b": {"not": {"$ref": "#/$defs/a~1b"}}}},
    "dynamic": {"$dynamicRef": "#"},
    "dynamic anchor": {"$dynamicAnchor": "a", "items": {"$dynamicRef": "#a"}},
    "recursive": {"$recursiveRef": "#"},
    "anchor": {"$anchor": "a", "items": {"$ref": "#a"}},
    "an id": {"$id": "https://a.example/", "items": {"$ref": "https://a.example/"}},
    "an address": {"$ref": "https://a.example/schema.json"},
    "a file": {"$ref": "file:///etc/passwd"},
    "a neighbour": {"$ref": "other.json"},
    "nothing": {"$ref": "#/$defs/nothing"},
    "into data": {"enum": [{"type": "string"}], "items": {"$ref": "#/enum/0"}},
    "a reference that is none": {"$ref": 5},
    "doubling": {
        "$ref": "#/$defs/0",
        "$defs": {f"{i}": {"allOf": [{"$ref": f"#/$defs/{i + 1}"}] * 2} for i in range(20)}
        | {"20": {}},
    },
    "a long chain": {
        "$ref": "#/$defs/0",
        "$defs": {f"{i}": {"$ref": f"#/$defs/{i + 1}"} for i in range(700)} | {"700": {}},
    },
    "too deep": nested(30),
    "very deep": nested(10_000),
    "deep in data": {"default": nested(100)},
    "too long": {"description": "x" * 40_000},
    "too many parts": {"allOf": [{"minLength": 1}] * 1500},
    "look-ahead": {"pattern": "(?=a)b"},
    "back-reference": {"pattern": r"(a)\1"},
    "unbalanced": {"pattern": "("},
    "a huge automaton": {"pattern": "((a{1,1000}){1,1000}){1,1000}"},
    "a huge automaton of names": {"patternProperties": {"((a{1,1000}){1,1000}){1,1000}": {}}},
    "a long pattern": {"pattern": "a" * 501},
    "many patterns": {"allOf": [{"pattern": f"a{i}"} for i in range(21)]},
    "another draft": {"$schema": "http://json-schema.org/draft-03/schema#"},
    "a draft of one's own": {"$schema": "https://a.example/schema"},
    "a draft in a part": {"items": {"$schema": "http://json-schema.org/draft-07/schema#"}},
    "no text for a draft": {"$schema": 5},
    "multiple of nothing": {"multipleOf": 0},
    "multiple of next to nothing": {"multipleOf": 1e-300},
    "a huge number": {"maxItems": 10**400},
    "a huge float": {"maximum": 1e300},
    "infinity": {"maximum": float("inf")},
    "a type that is none": {"type": "nonsense"},
    "no schema below": {"properties": {"a": 5}},
    "half a character": {"title": "\ud800"},
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_schema_that_cannot_be_checked_within_bounds_is_refused_when_it_is_made(
    name: str,
) -> None:
    problem = check_schema(REFUSED[name])

    assert problem
    assert len(problem) <= 500


@pytest.mark.parametrize("name", REFUSED)
def test_an_older_record_with_such_a_schema_has_a_page_and_refuses_the_form_not_the_rejection(
    name: str,
) -> None:
    approval = an_approval(form_schema=REFUSED[name])

    fields_of(approval.form_schema)
    with pytest.raises(InvalidVote):
        decided(
            approval, Vote(actor="ann", outcome="approved", channel="api", form={"a": "b"}), now()
        )
    rejection = Vote(actor="ann", outcome="rejected", channel="api", reason="no form can fit")
    assert "rejected" == decided(approval, rejection, now()).status


ACCEPTED: Mapping[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "cents": ({"properties": {"a": {"multipleOf": 0.01}}}, {"a": 19.99}),
    "tenths": ({"properties": {"a": {"multipleOf": 0.1}}}, {"a": 0.3}),
    "a shared definition": (
        {
            "properties": {"a": {"$ref": "#/$defs/t"}, "b": {"$ref": "#/$defs/t"}},
            "$defs": {"t": {"type": "string"}},
        },
        {"a": "x", "b": "y"},
    ),
    "draft 7": (
        {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "definitions": {"t": {"type": "integer"}},
            "properties": {"a": {"$ref": "#/definitions/t"}},
        },
        {"a": 1},
    ),
    "names that are words": (
        {
            "properties": {
                "$ref": {"type": "string"},
                "$id": {},
                "id": {},
                "pattern": {"type": "string"},
            }
        },
        {"$ref": "#", "$id": "a", "id": 1, "pattern": "("},
    ),
    "data that looks like a schema": ({"const": {"$ref": "#"}}, {"$ref": "#"}),
    "either of two types": ({"properties": {"a": {"type": ["string", "null"]}}}, {"a": None}),
    "a name in any language": (
        {"properties": {"a": {"pattern": r"^\p{L}[\p{L} '-]{0,40}$"}}},
        {"a": "Zoë Müller"},
    ),
    "a long pattern of digits": (
        {"properties": {"a": {"pattern": r"^\d{1,100}(\.\d{2})?$"}}},
        {"a": "19.99"},
    ),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_a_schema_that_forms_need_is_accepted_and_so_is_a_form_that_fits(name: str) -> None:
    schema, form = ACCEPTED[name]

    assert (None, None) == (check_schema(schema), check_form(schema, form))
    assert fields_of(schema)


@given(cents=st.integers(min_value=-(10**12), max_value=10**12))
def test_every_amount_of_cents_is_a_multiple_of_a_cent(cents: int) -> None:
    schema = {"properties": {"a": {"multipleOf": 0.01}}}

    assert check_form(schema, {"a": cents / 100}) is None
    assert check_form(schema, {"a": 19.995})


WORDS = st.sampled_from(
    [
        "$ref",
        "$defs",
        "allOf",
        "anyOf",
        "items",
        "properties",
        "not",
        "pattern",
        "type",
        "enum",
        "required",
        "minimum",
    ]
)
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["#", "#/items"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(WORDS | st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=60)
@given(
    schema=st.dictionaries(WORDS, ANYTHING, max_size=4),
    form=st.dictionaries(st.text(max_size=3), ANYTHING),
)
def test_whatever_schema_and_form_come_there_is_an_answer(
    schema: dict[str, Any], form: dict[str, Any]
) -> None:
    problem, answer = check_schema(schema), check_form(schema, form)

    assert problem is None or (answer is not None and answer.field.startswith("form"))
    fields_of(schema)


@pytest.mark.parametrize(
    ("schema", "form", "expected"),
    [
        ({"required": ["a"]}, {}, FormProblem("form.a", '"a" is a required property')),
        (
            {"properties": {"a": {"maximum": 5}}},
            {"a": 6},
            FormProblem("form.a", "6 is greater than the maximum of 5"),
        ),
        ({"additionalProperties": False}, {"b": 1}, None),
        (
            {"properties": {"a": {}}, "additionalProperties": False},
            {"b": 1},
            FormProblem("form.b", "Additional properties are not allowed ('b' was unexpected)"),
        ),
        (
            {"anyOf": [{"required": ["a", "b"]}, {"required": ["c"]}]},
            {},
            FormProblem("form.c", '"c" is a required property'),
        ),
        ({"properties": {"a": {"const": "x" * 900}}}, {"a": "y" * 900}, None),
    ],
)
def test_a_problem_names_its_field_and_is_short(
    schema: dict[str, Any], form: dict[str, Any], expected: FormProblem | None
) -> None:
    problem = check_form(schema, form)

    assert problem is not None
    assert expected in (None, problem)
    assert len(problem.message) <= 500


DEAR: Mapping[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "nested repetition": ({"properties": {"a": {"pattern": "^(a+)+$"}}}, {"a": "a" * 26 + "!"}),
    "the same, long": ({"properties": {"a": {"pattern": "^(a|a)*$"}}}, {"a": "a" * 200_000 + "!"}),
    "many rows and rules": (
        {"properties": {"a": {"items": {"allOf": [{"minimum": i} for i in range(150)]}}}},
        {"a": [1_000] * 20_000},
    ),
    "many wrong rows": (
        {
            "properties": {
                "a": {"items": {"anyOf": [{"minLength": i, "type": "string"} for i in range(40)]}}
            }
        },
        {"a": [1] * 600},
    ),
    "objects compared": (
        {"properties": {"a": {"items": {"enum": [{"a": i} for i in range(200)]}}}},
        {"a": [{"a": 199}] * 150},
    ),
    "deep": ({"properties": {"a": {}}}, {"a": nested(500)}),
}


@pytest.mark.parametrize("name", DEAR)
async def test_other_work_goes_on_while_a_dear_form_is_checked(name: str) -> None:
    schema, form = DEAR[name]
    assert check_schema(schema) is None
    checking = asyncio.create_task(off_loop(check_form, schema, form))

    longest, last = 0.0, perf_counter()
    while not checking.done():
        await asyncio.sleep(0)
        longest, last = max(longest, perf_counter() - last), perf_counter()

    # with backtracking, or without bounds, each of these takes seconds or does not end
    assert longest < 1.0
    await checking
