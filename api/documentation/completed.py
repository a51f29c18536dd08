"""Completes the document that Litestar makes: roles, headers, conditional reads, both forms of
errors, and examples that are named once.

Litestar has no place for the headers of errors, for examples of bodies, and for references to
examples; without these the document would be four times as long.
"""

from collections.abc import Iterator, Mapping

import msgspec
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute
from litestar.serialization import encode_json, get_serializer

from api.access.permissions import role_of
from api.documentation.choices import choice_schemas, with_named_choices
from api.documentation.headers import IF_NONE_MATCH, Place, header_components, headers_at
from api.documentation.problems import add_problem_details, problem_schemas
from api.documentation.requests import request_examples
from api.http.deprecation import is_to_the_letter
from blocks.contracts.events import JsonObject

_PLACES = ("path", "query", "header")


def completed(app: Litestar) -> JsonObject:
    """Every route of the application, in one document."""
    serializer = get_serializer(app.type_encoders)
    document: JsonObject = msgspec.json.decode(
        encode_json(app.openapi_schema.to_schema(), serializer=serializer)
    )
    document = with_named_choices(document)
    document["components"]["schemas"] |= {**choice_schemas(), **problem_schemas()}
    components = document["components"] | {"headers": header_components(), "examples": {}}
    served = handlers(app)
    for path, method, operation in operations(document):
        _add_role(path, method, operation)
        _order_parameters(operation)
        if "requestBody" in operation:
            _add_request_example(operation["requestBody"])
            _name_examples(operation["requestBody"], components)
        is_own_read = method == "get" and not is_to_the_letter(served[path, method])
        for status, response in operation["responses"].items():
            place = Place(int(status), operation, response, is_own_read)
            response["headers"] = headers_at(place)
            if place.is_refusal:
                add_problem_details(place.status, response)
            _name_examples(response, components)
        if method == "get" and "ETag" in operation["responses"]["200"]["headers"]:
            _add_condition(operation)
    return document | {"components": components}


def operations(document: JsonObject) -> Iterator[tuple[str, str, JsonObject]]:
    """Path, method in lower case, and the operation."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def handlers(app: Litestar) -> Mapping[tuple[str, str], HTTPRouteHandler]:
    """By path and method, as `operations` has them."""
    return {
        (route.path_format, method.lower()): handler
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for method, (handler, _) in route.route_handler_map.items()
    }


def _add_role(path: str, method: str, operation: JsonObject) -> None:
    role = role_of(method.upper(), path)
    needs = f"Needs the role `{role}`." if role else "Needs no credential."
    operation["description"] = f"{operation['description']}\n\n{needs}"


def _order_parameters(operation: JsonObject) -> None:
    """What has to be given comes first, then by place; else in the order of the code."""
    if "parameters" in operation:
        operation["parameters"].sort(
            key=lambda one: (not one.get("required"), _PLACES.index(one["in"]))
        )


def _add_request_example(body: JsonObject) -> None:
    """A body that is no Struct has its example already."""
    for media in body["content"].values():
        if "examples" not in media:
            name = _schema_name(media["schema"])
            value = msgspec.to_builtins(request_examples()[name])
            media["examples"] = {name: {"summary": "Example", "value": value}}


def _add_condition(operation: JsonObject) -> None:
    """What `api.http.etags.ConditionalReads` makes of every answer with an `ETag`."""
    known = operation["responses"]["200"] | {"description": "It is as the client knows it"}
    del known["content"]
    responses = {**operation["responses"], "304": known}
    operation["responses"] = dict(sorted(responses.items()))
    operation["parameters"] = [*operation.get("parameters", ()), IF_NONE_MATCH]


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


def _schema_name(schema: JsonObject) -> str:
    """Of the body, or of what it may be besides null."""
    [reference] = [one["$ref"] for one in (schema, *schema.get("oneOf", ())) if "$ref" in one]
    return str(reference.rpartition("/")[2])
