"""The form that goes with a decision, against the JSON Schema of its approval."""

from collections.abc import Mapping
from typing import Any

import msgspec
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError, best_match
from referencing import Registry
from referencing.exceptions import Unresolvable

from blocks.contracts.events import JsonObject

# An empty registry: a schema that refers to an address is not followed there.
_NOWHERE: Registry[Any] = Registry()


class FormProblem(msgspec.Struct, frozen=True):
    """What is wrong with a form, and in which field."""

    field: str
    message: str


def check_form(schema: JsonObject, form: Mapping[str, Any]) -> FormProblem | None:
    """The most telling problem of the form; None: there is none."""
    validator = Draft202012Validator(schema, registry=_NOWHERE, format_checker=Draft202012Validator.FORMAT_CHECKER)
    try:
        error = best_match(validator.iter_errors(dict(form)))
    except Unresolvable as unresolvable:
        return FormProblem("form", f"its schema refers to {unresolvable.ref}, which is not in it")
    return FormProblem(_field(error), error.message) if error else None


def check_schema(schema: JsonObject) -> str | None:
    """Why this is no JSON Schema; None: it is one."""
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        return error.message
    return None


def _field(error: ValidationError) -> str:
    """`form.amount`; a field that is missing is named although the error lies with what should contain it."""
    path = ["form", *(str(part) for part in error.absolute_path)]
    if error.validator == "required" and isinstance(error.instance, Mapping):
        wanted: Any = error.validator_value
        path += [name for name in wanted if name not in error.instance][:1]
    return ".".join(path)
