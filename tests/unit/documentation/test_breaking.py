"""Which changes of the document would break a client."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from tests.support.api.breaking import breaks, essence
from tests.unit.documentation.conftest import Documents

DOCUMENT: dict[str, Any] = {
    "paths": {
        "/orders": {
            "post": {
                "operationId": "createOrder",
                "parameters": [{"name": "limit", "in": "query", "schema": {"type": "integer"}}],
                "requestBody": {
                    "content": {
                        "application/json": {"schema": {"$ref": "#/components/schemas/New"}}
                    }
                },
                "responses": {
                    "201": {
                        "content": {
                            "application/json": {"schema": {"$ref": "#/components/schemas/Order"}}
                        }
                    }
                },
            }
        }
    },
    "components": {
        "schemas": {
            "New": {
                "type": "object",
                "properties": {
                    "size": {"type": "integer"},
                    "kind": {"type": "string", "enum": ["a", "b"]},
                },
            },
            "Order": {
                "type": "object",
                "required": ["id"],
                "properties": {
                    "id": {"type": "string"},
                    "state": {"oneOf": [{"type": "string", "enum": ["on"]}, {"type": "null"}]},
                    "parts": {"type": "array", "items": {"$ref": "#/components/schemas/Order"}},
                },
            },
        }
    },
}

Change = Callable[[dict[str, Any], dict[str, Any], dict[str, Any]], object]


@pytest.mark.parametrize(
    ("line", "change"),
    [
        ("POST /orders is gone", lambda paths, new, order: paths.clear()),
        (
            "POST /orders is named makeOrder, not createOrder",
            lambda paths, new, order: paths["/orders"]["post"].update(operationId="makeOrder"),
        ),
        (
            "POST /orders: the query limit is gone",
            lambda paths, new, order: paths["/orders"]["post"].update(parameters=[]),
        ),
        (
            "POST /orders: the query limit is required",
            lambda paths, new, order: paths["/orders"]["post"]["parameters"][0].update(
                required=True
            ),
        ),
        (
            "New.size is ['string'], not ['integer']",
            lambda _, new, __: new["size"].update(type="string"),
        ),
        ("New.kind is no longer 'b'", lambda _, new, __: new["kind"].update(enum=["a"])),
        ("New.size is gone", lambda _, new, __: new.pop("size")),
        ("Order.id is gone", lambda _, __, order: order.pop("id")),
        (
            "Order.state may be 'off'",
            lambda _, __, order: order["state"]["oneOf"][0].update(enum=["on", "off"]),
        ),
        (
            "POST /orders: the answer 201 is gone",
            lambda paths, new, order: paths["/orders"]["post"].update(responses={}),
        ),
    ],
)
def test_a_break_is_named(line: str, change: Change) -> None:
    changed = deepcopy(DOCUMENT)
    schemas = changed["components"]["schemas"]
    change(changed["paths"], schemas["New"]["properties"], schemas["Order"]["properties"])

    assert [line] == breaks(DOCUMENT, changed)


def test_what_is_sent_may_not_be_required_nor_what_is_received_be_missing() -> None:
    changed = deepcopy(DOCUMENT)
    changed["components"]["schemas"]["New"]["required"] = ["size"]
    changed["components"]["schemas"]["Order"]["required"] = []

    assert ["New.size is required", "Order.id may be missing"] == breaks(DOCUMENT, changed)


def test_what_is_added_breaks_nothing() -> None:
    changed = deepcopy(DOCUMENT)
    schemas = changed["components"]["schemas"]
    schemas["New"]["properties"]["note"] = {"type": "string"}
    schemas["New"]["properties"]["kind"]["enum"].append("c")
    schemas["Order"]["properties"]["note"] = {"type": "string"}
    changed["paths"]["/others"] = changed["paths"]["/orders"]

    assert [] == breaks(DOCUMENT, changed)


async def test_our_own_documents_are_compared_whole(documents: Documents) -> None:
    for document in documents.values():
        assert [] == breaks(essence(document), essence(document))
        gone = essence(document) | {"paths": {}}
        count = sum(len(methods) for methods in document["paths"].values())
        assert count == len(breaks(essence(document), gone))
