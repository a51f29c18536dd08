"""An HTML form from the JSON Schema of an approval, and its input as JSON again.

Strings, numbers, booleans and enumerations get fields of their own; any other schema is edited as
JSON. Input is not validated here: `decide` validates it by the schema, as for every channel.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from api.http.errors import InvalidRequest, Problem
from blocks.approvals.form_schemas import DEPTH_MAX, depth_within
from blocks.contracts.events import JsonObject
from blocks.json_text import read_json

PREFIX = "form"
"""In front of every field's name, as in the errors: `form.limit`; alone, the whole form as JSON."""

_LIMITS = {
    "number": {"minimum": "min", "maximum": "max"},
    "integer": {"minimum": "min", "maximum": "max"},
    "string": {"minLength": "minlength", "maxLength": "maxlength"},
}
"""What a browser can check by itself, per type: keyword of JSON Schema to attribute of HTML."""

_STRING_KINDS = {"date": "date", "email": "email", None: "text"}
_LONG = 200


class Choice(msgspec.Struct, frozen=True):
    """One value of an enumeration; `value` is its JSON."""

    value: str
    label: str


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to fill in; `kind` is an input type of HTML, `textarea`, `select`, or `json`."""

    name: str
    label: str
    kind: str
    is_number: bool = False
    required: bool = False
    hint: str = ""
    choices: Sequence[Choice] = ()
    limits: Mapping[str, str] = {}
    value: str = ""
    error: str = ""


def fields_of(schema: JsonObject | None) -> list[Field]:
    """What to fill in so that the form can fit the schema; none where no form is asked for."""
    if schema is None:
        return []
    if not _is_plain(schema):
        return [Field(name=PREFIX, label="Form", kind="json", hint="As JSON.")]
    required, properties = schema.get("required", []), schema.get("properties", {})
    if not (properties or required):
        return [
            Field(
                name=PREFIX,
                label=_text(schema, "title") or "Form",
                kind="json",
                hint=_hint(schema, "json"),
            )
        ]
    names = [*properties, *(name for name in required if name not in properties)]
    return [_field(name, properties.get(name), required=name in required) for name in names]


def filled(
    fields: Sequence[Field], submitted: Mapping[str, str], problem: Problem | None = None
) -> list[Field]:
    """The fields with the submitted values, and the problem at the field that it names."""
    at_fault = _at_fault(fields, problem)
    return [
        msgspec.structs.replace(
            field,
            value=submitted.get(field.name, ""),
            error=problem.message if problem and field is at_fault else "",
        )
        for field in fields
    ]


def form_of(fields: Sequence[Field], submitted: Mapping[str, str]) -> JsonObject:
    """What was filled in. Raises `InvalidRequest`, naming the field, for JSON that is none."""
    values = dict(_values(fields, submitted))
    if PREFIX not in values:
        return {name.removeprefix(f"{PREFIX}."): value for name, value in values.items()}
    whole = values[PREFIX]
    if not isinstance(whole, dict):
        raise _invalid(PREFIX, "must be a JSON object")
    return whole


# --- from the schema ------------------------------------------------------------------------------


def _is_plain(schema: JsonObject) -> bool:
    """Whether it can be shown as fields: older records may hold schemas that would be refused
    today.
    """
    required, properties = schema.get("required", []), schema.get("properties", {})
    return (
        depth_within(schema, DEPTH_MAX)
        and isinstance(properties, dict)
        and isinstance(required, list)
        and all(isinstance(name, str) for name in required)
    )


def _field(name: str, schema: object, *, required: bool) -> Field:
    rules = schema if isinstance(schema, dict) else {}
    kind = _kind(rules)
    limits = {
        html: f"{rules[word]}"
        for word, html in _LIMITS.get(_text(rules, "type"), {}).items()
        if word in rules
    }
    if kind == "number":
        limits["step"] = "1" if rules["type"] == "integer" else "any"
    return Field(
        name=f"{PREFIX}.{name}",
        label=_text(rules, "title") or name,
        kind=kind,
        is_number=kind == "number",
        # An unticked box means false, which is a valid value.
        required=required and kind != "checkbox",
        hint=_hint(rules, kind),
        choices=[
            Choice(_json(one), one if isinstance(one, str) else _json(one)) for one in _enum(rules)
        ],
        limits=limits,
        value=_shown(rules["default"], kind) if "default" in rules else "",
    )


def _kind(rules: JsonObject) -> str:
    match rules:
        case {"enum": [_, *_]}:
            return "select"
        case {"type": "boolean"}:
            return "checkbox"
        case {"type": "integer" | "number"}:
            return "number"
        case {"type": "string", "maxLength": int(most)} if most > _LONG:
            return "textarea"
        case {"type": "string"}:
            return _STRING_KINDS.get(_text(rules, "format") or None, "text")
        case _:
            return "json"


def _enum(rules: JsonObject) -> Sequence[Any]:
    values = rules.get("enum")
    return values if isinstance(values, list) else ()


def _hint(rules: JsonObject, kind: str) -> str:
    return " ".join(
        filter(None, (_text(rules, "description"), "As JSON." if kind == "json" else ""))
    )


def _text(rules: JsonObject, key: str) -> str:
    value = rules.get(key)
    return value if isinstance(value, str) else ""


def _shown(value: Any, kind: str) -> str:
    return value if isinstance(value, str) and kind not in ("json", "select") else _json(value)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


# --- from the browser -----------------------------------------------------------------------------


def _values(fields: Sequence[Field], submitted: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
    for field in fields:
        text = submitted.get(field.name, "").strip()
        if field.kind == "checkbox":
            yield field.name, text == "true"
        elif text:
            yield field.name, _value(field, text)


def _value(field: Field, text: str) -> Any:
    if not (field.is_number or field.kind in ("select", "json")):
        return text
    try:
        value = read_json(text)
    except ValueError as error:
        if field.kind == "json":
            raise _invalid(field.name, f'is not JSON: {error}; text stands in "quotes"') from None
        return text  # validation by the schema reports it
    return text if field.is_number and not isinstance(value, int | float) else value


def _at_fault(fields: Sequence[Field], problem: Problem | None) -> Field | None:
    where = f"{problem.field}." if problem and problem.field else ""
    return next((field for field in fields if where.startswith(f"{field.name}.")), None)


def _invalid(field: str, message: str) -> InvalidRequest:
    return InvalidRequest(Problem(field=field, message=message, source="body"))
