"""The body that starts an operation: its input, by itself or wrapped."""

from typing import Any

from litestar.openapi.spec import Schema
from litestar.openapi.spec.enums import OpenAPIType

from api.documentation.requests import operation_with_body
from api.http.errors import InvalidRequest, Problem

WRAPPER = "inputData"

InputOperation = operation_with_body(
    Schema(
        type=OpenAPIType.OBJECT,
        description=f"The input of the steps, as it is or as the one field `{WRAPPER}`.",
    ),
    required=False,
    OperationInput={WRAPPER: {"reason": "the disk is filling"}},
)
"""There may be no body."""


def input_in(body: Any) -> dict[str, Any]:
    """The input; of no body an empty one. Raises `InvalidRequest` for what is no object."""
    given = body[WRAPPER] if isinstance(body, dict) and body.keys() == {WRAPPER} else body
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise InvalidRequest(Problem(message="must be an object", source="body"))
    return given
