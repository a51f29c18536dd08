"""Everything that keeps a body from being what a route takes, each with its place."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
import pytest

from api.http.documents import Document
from api.http.refusals.body_problems import PROBLEMS_MAX, body_problems
from blocks.contracts.reading.normalised import OUR_ID

Short = Annotated[str, msgspec.Meta(max_length=3)]


class Part(Document, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: Short
    at: datetime | None = None


class Whole(Document, frozen=True, kw_only=True):
    part: Part
    parts: list[Part] | None = None
    by_name: dict[str, Part | int] = msgspec.field(default_factory=dict)
    owner_id: Annotated[str, OUR_ID] = ""
    count: Annotated[int, msgspec.Meta(ge=1)] | msgspec.UnsetType = msgspec.UNSET


def problems(body: Any, kind: Any = Whole, *, strict: bool = True) -> dict[str | None, str]:
    found = body_problems(body, kind, strict=strict)
    assert {"body"} >= {problem.source for problem in found}
    return {problem.pointer: problem.message for problem in found}


PART = {"name": "a"}


def test_a_body_that_is_right_has_no_problem() -> None:
    assert {} == problems({"part": PART, "parts": [PART], "byName": {"x": 1}, "count": 1})


def test_each_place_is_named_however_deep() -> None:
    body = {
        "part": {"name": "long", "at": 7, "other": 1},
        "parts": [PART, {}, {"name": 1}],
        "byName": {"a/b~c": {"name": None}},
        "count": 0,
    }

    assert {
        "/part/name": "Expected str of length <= 3",
        "/part/at": "Expected datetime | null, got int",
        "/part/other": "is an unknown field",
        "/parts/1/name": "is required",
        "/parts/2/name": "Expected str, got int",
        "/byName/a~1b~0c/name": "Expected str, got null",
        "/count": "Expected int >= 1",
    } == problems(body)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [([], ""), ("text", ""), (None, ""), ({"part": []}, "/part"), ({}, "/part")],
)
def test_what_has_not_even_the_shape_is_one_problem(body: Any, pointer: str) -> None:
    assert [pointer] == list(problems(body))


def test_what_a_struct_refuses_itself_is_at_the_field_that_it_names() -> None:
    assert {"/ownerId": "'x' is not a UUID"} == problems({"part": PART, "ownerId": "x"})


def test_numbers_for_texts_and_moments_pass_only_where_they_always_did() -> None:
    body = {"part": {"name": "a", "at": 7}, "count": "2"}

    assert {"/part/at", "/count"} == set(problems(body))
    assert {} == problems(body, strict=False)


def test_an_optional_body_may_be_null() -> None:
    assert {} == problems(None, Whole | None)
    assert ["/part"] == list(problems({}, Whole | None))


def test_there_is_an_end_to_it() -> None:
    assert PROBLEMS_MAX == len(problems({"part": PART, "parts": [{}] * 1_000}))
