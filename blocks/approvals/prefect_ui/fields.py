"""A field of a tenant's form, reduced to what Prefect's UI shows and its server checks cheaply.

The whole schema is applied when the answer counts; here nothing may cost more than the field is
long.
"""

from collections.abc import Mapping
from typing import Any

from blocks.contracts.events import JsonObject

_BOUNDS: Mapping[str, tuple[str, ...]] = {
    "string": ("minLength", "maxLength"),
    "integer": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
    "array": ("minItems", "maxItems"),
}
"""Per type, the keywords that are kept. No pattern: Prefect's server matches without a bound."""

_FORMATS = ("date", "date-time")
"""For which the UI has an input of its own."""

_TEXT_MAX = 500


def field_of(
    rules: object, document: JsonObject, *, position: int, is_required: bool
) -> JsonObject:
    """The field as Prefect shows it; one of any other kind is typed as JSON."""
    stated = _resolved(rules, document)
    notes = (
        _text(stated.get("description")),
        "Required to approve." if is_required else "",
    )
    return {
        **_typed(stated, document),
        **({"title": title} if (title := _text(stated.get("title"))) else {}),
        "description": " ".join(filter(None, notes)),
        "position": position,
    }


def listed(names: object) -> list[str]:
    """The names of a schema's `required`."""
    stated = names if isinstance(names, list) else []
    return list(dict.fromkeys(name for name in stated if isinstance(name, str)))


def _typed(stated: JsonObject, document: JsonObject) -> JsonObject:
    match stated:
        case {"enum": [*values]} if values:
            return {"enum": values}
        case {"const": value}:
            return {"enum": [value]}
        case {"type": "boolean"}:
            # With its type, it is a switch, which stands at no before anyone has touched it.
            return {"enum": [True, False]}
        case {"type": "array"}:
            items = _typed(_resolved(stated.get("items"), document), {})
            return {"type": "array", "items": items, **_bounds(stated, "array")}
        case {"type": str(kind)} if kind in _BOUNDS:
            return {"type": kind, **_bounds(stated, kind), **_format(stated)}
        case {"type": [*kinds]} if len(named := [one for one in kinds if one != "null"]) == 1:
            return _typed({**stated, "type": named[0]}, document)
        case _:
            return {}


def _resolved(rules: object, document: JsonObject) -> JsonObject:
    """What a reference leads to, with what stands beside it; a schema for forms has no circles."""
    stated: JsonObject = rules if isinstance(rules, dict) else {}
    for _ in range(10):
        reference = stated.get("$ref")
        if not isinstance(reference, str):
            return stated
        beside = {word: value for word, value in stated.items() if word != "$ref"}
        stated = {**_part(document, reference), **beside}
    return {}


def _part(document: JsonObject, reference: str) -> JsonObject:
    part: Any = document
    for word in reference.removeprefix("#/").split("/"):
        name = word.replace("~1", "/").replace("~0", "~")
        part = part.get(name) if isinstance(part, dict) else None
    return part if isinstance(part, dict) else {}


def _bounds(stated: JsonObject, kind: str) -> JsonObject:
    return {
        word: stated[word]
        for word in _BOUNDS[kind]
        if isinstance(stated.get(word), int | float) and not isinstance(stated[word], bool)
    }


def _format(stated: JsonObject) -> JsonObject:
    return {"format": stated["format"]} if stated.get("format") in _FORMATS else {}


def _text(value: object) -> str:
    return value[:_TEXT_MAX] if isinstance(value, str) else ""
