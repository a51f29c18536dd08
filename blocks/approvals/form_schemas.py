"""Which JSON Schemas a form may have: those whose cost is bounded before anything is checked
against them.

A schema is written by a tenant and applied in a process that serves all of them. So patterns run in
linear time (the engine has no backtracking, and no look-around or back-reference), references stay
in the document and never lead back to themselves, and how often a part is applied, references
followed, is counted when the schema is made.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jsonschema_rs
import msgspec

from blocks.contracts.events import JsonObject
from blocks.observability.plain_text import cut

BYTES_MAX = 32_768
DEPTH_MAX = 24
PARTS_MAX = 2_000
"""Subschemas and values, each counted as often as a reference leads to it."""
CHAIN_MAX = 100
PATTERNS_MAX = 20
PATTERN_LENGTH_MAX = 500
NUMBER_MAX, NUMBER_MIN = 1e18, 1e-18

Validator = (
    jsonschema_rs.Draft7Validator
    | jsonschema_rs.Draft201909Validator
    | jsonschema_rs.Draft202012Validator
)

_DRAFTS: Mapping[str, type[Validator]] = {
    "http://json-schema.org/draft-07/schema": jsonschema_rs.Draft7Validator,
    "https://json-schema.org/draft/2019-09/schema": jsonschema_rs.Draft201909Validator,
    "https://json-schema.org/draft/2020-12/schema": jsonschema_rs.Draft202012Validator,
}
_DEFAULT_DRAFT = "https://json-schema.org/draft/2020-12/schema"

_ONE = (
    "additionalItems",
    "additionalProperties",
    "contains",
    "contentSchema",
    "else",
    "if",
    "items",
    "not",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
)
_LISTS = ("allOf", "anyOf", "items", "oneOf", "prefixItems")
_MAPS = ("dependencies", "dependentSchemas", "patternProperties", "properties")
_DEFINITIONS = ("$defs", "definitions")
_REFUSED = (
    "$anchor",
    "$dynamicAnchor",
    "$dynamicRef",
    "$id",
    "$recursiveAnchor",
    "$recursiveRef",
    "$vocabulary",
    "id",
)
"""What would give a part a second address, or lead to a place that only an evaluation finds."""

# Enough for fifty letters of any language; a pattern that needs more is refused by the engine.
_PATTERNS = jsonschema_rs.RegexOptions(size_limit=8_000_000, dfa_size_limit=2_000_000)


class SchemaRefused(ValueError):
    """The schema cannot be used for a form; the message states why."""


def validator_of(schema: JsonObject) -> Validator:
    """What checks forms against this schema. Raises `SchemaRefused`. It costs milliseconds, the GIL
    released.
    """
    _check_size(schema)
    parts = _Parts(schema)
    draft = _draft_of(schema)
    _check_weight(parts)
    try:
        return draft(schema, pattern_options=_PATTERNS, validate_formats=True, offline=True)
    except ValueError as error:  # jsonschema_rs.ValidationError is one
        raise SchemaRefused(shortened(getattr(error, "message", None) or str(error))) from None


def shortened(message: str) -> str:
    """Messages quote what was sent, and the library quotes all of it."""
    return cut(message, 500)


def nodes(value: Any) -> int:
    """How many values the JSON value consists of; a text counts once more for each
    64 characters.
    """
    waiting, count = [value], 0
    while waiting:
        one = waiting.pop()
        count += 1 + (len(one) // 64 if isinstance(one, str) else 0)
        if isinstance(one, Mapping):
            waiting.extend(one.values())
        elif isinstance(one, list | tuple):
            waiting.extend(one)
    return count


def depth_within(value: Any, most: int) -> bool:
    """Whether the JSON value is nested at most so deep; it takes no stack."""
    level = [value]
    for _ in range(most):
        level = [inner for one in level for inner in _inner(one)]
        if not level:
            return True
    return False


def _inner(value: Any) -> Sequence[Any]:
    if isinstance(value, Mapping):
        return list(value.values())
    return value if isinstance(value, list | tuple) else ()


def _check_size(schema: JsonObject) -> None:
    if not depth_within(schema, DEPTH_MAX):
        raise SchemaRefused(f"is nested more than {DEPTH_MAX} deep")
    try:
        size = len(msgspec.json.encode(schema))
    except (TypeError, ValueError, OverflowError, msgspec.MsgspecError):
        raise SchemaRefused("is not JSON") from None
    if size > BYTES_MAX:
        raise SchemaRefused(f"is longer than {BYTES_MAX} bytes")
    if any(_is_extreme(number) for number in _numbers(schema)):
        raise SchemaRefused(
            f"has a number beyond {NUMBER_MAX:g}, or closer to 0 than {NUMBER_MIN:g}"
        )


def _numbers(schema: Any) -> Iterator[int | float]:
    waiting = [schema]
    while waiting:
        one = waiting.pop()
        if isinstance(one, int | float) and not isinstance(one, bool):
            yield one
        waiting.extend(_inner(one))


def _is_extreme(number: int | float) -> bool:
    return not abs(number) <= NUMBER_MAX or 0 < abs(number) < NUMBER_MIN  # NaN is extreme, too


def _draft_of(schema: JsonObject) -> type[Validator]:
    stated = schema.get("$schema", _DEFAULT_DRAFT)
    draft = _DRAFTS.get(stated.removesuffix("#")) if isinstance(stated, str) else None
    if draft is None:
        raise SchemaRefused(f"$schema is not one of {', '.join(_DRAFTS)}")
    return draft


class _Parts:
    """The subschemas of a document by their JSON Pointer, and what each applies."""

    def __init__(self, schema: JsonObject) -> None:
        self.schemas: dict[str, JsonObject | bool] = {}
        self.applied: dict[str, list[str]] = {}
        self._patterns = 0
        self._add("", schema)

    def _add(self, pointer: str, schema: Any) -> None:
        if not isinstance(schema, Mapping | bool):
            return  # the draft's own schema refuses it
        self.schemas[pointer] = schema  # type: ignore[assignment]
        self.applied[pointer] = []
        if isinstance(schema, bool):
            return
        self._check_words(pointer, schema)
        for word, part in _parts_of(schema):
            where = f"{pointer}/{word}"
            self._add(where, part)
            if where in self.applied and word.partition("/")[0] not in _DEFINITIONS:
                self.applied[pointer].append(where)

    def _check_words(self, pointer: str, schema: Mapping[str, Any]) -> None:
        for word in _REFUSED:
            if word in schema:
                raise SchemaRefused(f"has {word}, which a form's schema may not have")
        if pointer and "$schema" in schema:
            raise SchemaRefused("has $schema in a part of it")
        properties = schema.get("patternProperties", {})
        patterns = [schema["pattern"]] if "pattern" in schema else []
        patterns += properties if isinstance(properties, Mapping) else []
        self._patterns += len(patterns)
        if self._patterns > PATTERNS_MAX:
            raise SchemaRefused(f"has more than {PATTERNS_MAX} patterns")
        if any(
            isinstance(pattern, str) and len(pattern) > PATTERN_LENGTH_MAX for pattern in patterns
        ):
            raise SchemaRefused(f"has a pattern of more than {PATTERN_LENGTH_MAX} characters")


def _parts_of(schema: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for word in _ONE:
        if isinstance(schema.get(word), Mapping | bool):
            yield word, schema[word]
    for word in _LISTS:
        if isinstance(schema.get(word), list):
            yield from ((f"{word}/{number}", part) for number, part in enumerate(schema[word]))
    for word in (*_MAPS, *_DEFINITIONS):
        if isinstance(schema.get(word), Mapping):
            yield from ((f"{word}/{_escaped(name)}", part) for name, part in schema[word].items())


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _check_weight(parts: _Parts) -> None:
    """Raises `SchemaRefused` for a reference that leads out of the document or back, and for too
    many parts.
    """
    weights: dict[str, int] = {}
    for pointer in parts.schemas:
        _weigh(parts, pointer, weights, ())
    if weights[""] > PARTS_MAX:
        raise SchemaRefused(
            f"has more than {PARTS_MAX} parts, each counted as often as it is referred to"
        )


def _weigh(parts: _Parts, pointer: str, weights: dict[str, int], above: tuple[str, ...]) -> int:
    if pointer in above:
        raise SchemaRefused(f"refers to itself: {_shown(f'#{pointer}')}")
    if len(above) > CHAIN_MAX:
        raise SchemaRefused(f"has more than {CHAIN_MAX} references, or parts, one behind the other")
    if pointer not in weights:
        schema = parts.schemas[pointer]
        applied = list(parts.applied[pointer])
        if isinstance(schema, Mapping) and "$ref" in schema:
            applied.append(_target(parts, schema["$ref"]))
        own = 1 if isinstance(schema, bool) else _own_weight(schema)
        weights[pointer] = own + sum(
            _weigh(parts, one, weights, (*above, pointer)) for one in applied
        )
    return weights[pointer]


def _own_weight(schema: Mapping[str, Any]) -> int:
    """Its words and the values among them; what it applies is counted where it stands."""
    apart = {*_ONE, *_LISTS, *_MAPS, *_DEFINITIONS}
    return 1 + sum(1 if word in apart else nodes(value) for word, value in schema.items())


def _target(parts: _Parts, reference: Any) -> str:
    if not isinstance(reference, str) or not reference.startswith("#"):
        raise SchemaRefused(f"refers to {_shown(reference)}, which is not in it")
    pointer = reference.removeprefix("#")
    if pointer not in parts.schemas:
        raise SchemaRefused(f"refers to {_shown(reference)}, which is no part of it")
    return pointer


def _shown(reference: Any) -> str:
    return f"{reference!r}"[:200]
