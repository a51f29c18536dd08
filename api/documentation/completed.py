"""Completes the document that Litestar makes: roles, headers, and examples that are named once.

Litestar has no place for the headers of errors, for examples of bodies, and for references to
examples; without these the document would be four times as long.
"""

from collections.abc import Iterator
from typing import Any

import msgspec
from litestar import Litestar
from litestar.serialization import encode_json, get_serializer

from api.access.permissions import role_of
from api.documentation.choices import choice_schemas, with_named_choices
from api.documentation.headers import Place, header_components, headers_at
from api.documentation.requests import request_examples

JsonObject = dict[str, Any]


def completed(app: Litestar) -> JsonObject:
    """Every route of the application, in one document."""
    serializer = get_serializer(app.type_encoders)
    document: JsonObject = msgspec.json.decode(
        encode_json(app.openapi_schema.to_schema(), serializer=serializer)
    )
    document = with_named_choices(document)
    document["components"]["schemas"] |= choice_schemas()
    components = document["components"] | {"headers": header_components(), "examples": {}}
    for path, method, operation in operations(document):
        _add_role(path, method, operation)
        if "requestBody" in operation:
            _add_request_example(operation["requestBody"])
            _name_examples(operation["requestBody"], components)
        for status, response in operation["responses"].items():
            _name_examples(response, components)
            place = Place(status=int(status), operation=operation, response=response)
            response["headers"] = headers_at(place)
    return document | {"components": components}


def operations(document: JsonObject) -> Iterator[tuple[str, str, JsonObject]]:
    """Path, method in lower case, and the operation."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def _add_role(path: str, method: str, operation: JsonObject) -> None:
    role = role_of(method.upper(), path)
    needs = f"Needs the role `{role}`." if role else "Needs no credential."
    operation["description"] = f"{operation['description']}\n\n{needs}"


def _add_request_example(body: JsonObject) -> None:
    """A body without a named type has its example already."""
    for media in body["content"].values():
        if name := _schema_name(media["schema"]):
            value = msgspec.to_builtins(request_examples()[name])
            media["examples"] = {name: {"summary": "Example", "value": value}}


def _name_examples(body: JsonObject, components: JsonObject) -> None:
    """The examples of a body or an answer are components, to which it refers."""
    for media in body.get("content", {}).values():
        if named := media.get("examples"):
            media["examples"] = {
                name: _reference(name, example, components) for name, example in named.items()
            }


def _reference(name: str, example: JsonObject, components: JsonObject) -> JsonObject:
    named = {key: value for key, value in example.items() if key != "id"}  # only Litestar's
    if components["examples"].setdefault(name, named) != named:
        raise ValueError(f"there are two examples named {name}")
    return {"$ref": f"#/components/examples/{name}"}


def _schema_name(schema: JsonObject) -> str | None:
    """Of the body, or of what it may be besides null."""
    alternatives = [schema, *schema.get("oneOf", ())]
    references = [one["$ref"] for one in alternatives if "$ref" in one]
    return references[0].rpartition("/")[2] if references else None
