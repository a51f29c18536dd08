"""The form that goes with a decision, against the JSON Schema of its approval.

Everything here costs a bounded time, and the library releases the interpreter's lock while it
works: what is called through `off_loop` holds up no other request of the process.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from typing import Any, ParamSpec, TypeVar

import jsonschema_rs
import msgspec

from blocks.approvals.form_schemas import (
    DEPTH_MAX,
    SchemaRefused,
    Validator,
    depth_within,
    nodes,
    shortened,
    validator_of,
)
from blocks.contracts.events import JsonObject
from blocks.ports import Unavailable

WORK_MAX = 200_000
"""Parts of the schema times values of the form; the dearest such product costs a third of a second
of one core.
"""

WAIT_SECONDS = 5.0
"""For one check, including the wait for those before it; then the caller has to retry."""

P = ParamSpec("P")
R = TypeVar("R")

# One thread, apart from the embedded store's: expensive forms delay only other forms.
_CHECKS = ThreadPoolExecutor(max_workers=1, thread_name_prefix="forms")


class FormProblem(msgspec.Struct, frozen=True):
    """What is wrong with a form, and in which field."""

    field: str
    message: str


def check_form(schema: JsonObject, form: Mapping[str, Any]) -> FormProblem | None:
    """The first problem of the form; None: it is valid. A forbidden schema counts as `form`."""
    try:
        validator = _known_validator(msgspec.json.encode(schema))
    except (SchemaRefused, ValueError, TypeError, RecursionError) as refused:
        return FormProblem(
            "form", f"cannot be checked, ask for another approval: its schema {refused}"
        )
    if not depth_within(form, DEPTH_MAX):
        return FormProblem("form", f"is nested more than {DEPTH_MAX} deep")
    if nodes(schema) * nodes(form) > WORK_MAX:
        return FormProblem("form", "is too large to be checked against its schema")
    try:
        validator.validate(dict(form))
    except jsonschema_rs.ValidationError as error:
        return _problem(error)
    except ValueError as error:
        return FormProblem("form", shortened(str(error)))
    return None


def check_schema(schema: JsonObject) -> str | None:
    """Why this is no schema for a form; None: it is one."""
    try:
        validator_of(schema)
    except SchemaRefused as refused:
        return str(refused)
    return None


async def off_loop(check: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """What the check returns or raises; other tasks go on meanwhile. Raises `Unavailable` if its
    turn never comes.
    """
    work = asyncio.get_running_loop().run_in_executor(_CHECKS, partial(check, *args, **kwargs))
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            return await work
    except TimeoutError:
        raise Unavailable("too many forms are being checked") from None


@lru_cache(maxsize=64)
def _known_validator(schema: bytes) -> Validator:
    return validator_of(msgspec.json.decode(schema))


def _problem(error: jsonschema_rs.ValidationError) -> FormProblem:
    """That of the alternative which fits best, where the form fits none of several."""
    error = _most_telling(error)
    return FormProblem(_field(error), shortened(_message(error)))


def _most_telling(error: jsonschema_rs.ValidationError) -> jsonschema_rs.ValidationError:
    for _ in range(DEPTH_MAX):
        alternatives: Sequence[Sequence[jsonschema_rs.ValidationError]] = getattr(
            error.kind, "context", ()
        )
        ranked = sorted((branch for branch in alternatives if branch), key=len)
        if not ranked or (len(ranked) > 1 and len(ranked[0]) == len(ranked[1])):
            break
        error = ranked[0][0]
    return error


def _message(error: jsonschema_rs.ValidationError) -> str:
    if error.kind.name == "falseSchema":
        return "is not a field of this form"
    return str(error.message)


def _field(error: jsonschema_rs.ValidationError) -> str:
    """`form.amount`; a field that is missing or too much is named although the error lies with what
    contains it.
    """
    path = ["form", *(str(part) for part in error.instance_path)]
    match error.kind:
        case jsonschema_rs.ValidationErrorKind.Required(property=name):
            path.append(str(name))
        case jsonschema_rs.ValidationErrorKind.AdditionalProperties(unexpected=[name, *_]):
            path.append(name)
    return ".".join(path)
