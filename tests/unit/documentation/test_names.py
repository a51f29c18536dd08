"""Names that a client generator makes methods, modules and classes of."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from api.documentation.completed import operations
from api.documentation.names import TAGS
from api.documentation.parts import PARTS
from blocks.contracts.events import JsonObject
from tests.unit.documentation.conftest import Documents

VERBS = {
    "get": "check|download|list|read|stream",
    "post": "add|answer|approve|ask|cancel|claim|clean|create|decide|delegate|discard|extend|"
    "forward|generate|publish|reject|release|remind|replay|rerun|retry|start|trigger|withdraw",
    "put": "set",
    "patch": "change|edit",
    "delete": "remove|reset|revoke|withdraw",
}


@pytest.mark.parametrize(("method", "verbs"), VERBS.items())
async def test_an_operation_is_named_for_what_is_done_to_what(
    documents: Documents, method: str, verbs: str
) -> None:
    ids = [
        operation["operationId"]
        for document in documents.values()
        for _, used, operation in operations(document)
        if used == method
    ]

    assert ids
    assert [] == [id for id in ids if not re.fullmatch(rf"({verbs})([A-Z][a-z]+)+", id)]


async def test_an_operation_id_is_used_once_in_both_documents(documents: Documents) -> None:
    used = Counter(
        operation["operationId"]
        for document in documents.values()
        for _, _, operation in operations(document)
    )

    assert [] == [id for id, count in used.items() if count > 1]


@pytest.mark.parametrize("part", PARTS)
async def test_an_operation_has_one_tag_which_is_described(documents: Documents, part: str) -> None:
    document = documents[part]
    described = {tag["name"]: tag["description"] for tag in document["tags"]}

    assert set(described) == {
        tag for _, _, operation in operations(document) for tag in operation["tags"]
    }
    assert {1} == {len(operation["tags"]) for _, _, operation in operations(document)}
    assert all(text.endswith(".") for text in described.values())


async def test_every_described_tag_is_used(documents: Documents) -> None:
    used = {tag["name"] for document in documents.values() for tag in document["tags"]}

    assert {tag.name for tag in TAGS} == used


@pytest.mark.parametrize("part", PARTS)
async def test_a_schema_has_the_name_of_what_it_is(documents: Documents, part: str) -> None:
    schemas = documents[part]["components"]["schemas"]

    assert [] == [name for name in schemas if not re.fullmatch(r"([A-Z][a-z]+)+", name)]
    assert [] == [name for name, schema in schemas.items() if schema["title"] != name]


@pytest.mark.parametrize("part", PARTS)
async def test_no_body_is_an_object_without_a_name(documents: Documents, part: str) -> None:
    unnamed = [
        operation["operationId"]
        for _, _, operation in operations(documents[part])
        for schema in schemas_of(operation)
        if schema.get("type") == "object"
    ]

    assert set(unnamed) <= {"startOperation", "triggerOperation", "triggerPhase"}, "theirs is free"


@pytest.mark.parametrize("part", PARTS)
async def test_a_choice_is_spelled_out_once(documents: Documents, part: str) -> None:
    spelled = Counter(tuple(choice) for choice in choices_in(documents[part]))

    assert [] == [choice for choice, count in spelled.items() if count > 1]


def choices_in(tree: Any) -> Iterator[list[Any]]:
    if isinstance(tree, dict):
        if isinstance(choice := tree.get("enum"), list):
            yield choice
        for one in tree.values():
            yield from choices_in(one)
    elif isinstance(tree, list):
        for one in tree:
            yield from choices_in(one)


def schemas_of(operation: JsonObject) -> Iterator[JsonObject]:
    bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
    for body in bodies:
        for media in body.get("content", {}).values():
            yield media["schema"]
