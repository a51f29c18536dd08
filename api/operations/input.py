"""The body that starts an operation: its input, by itself or wrapped."""

from dataclasses import dataclass
from typing import Any

from litestar.openapi.spec import Example, OpenAPIMediaType, Operation, RequestBody, Schema
from litestar.openapi.spec.enums import OpenAPIType

from api.http.errors import InvalidRequest, Problem

WRAPPER = "inputData"


@dataclass
class InputOperation(Operation):
    """Documents the body, which the route reads by itself: there may be none."""

    def __post_init__(self) -> None:
        media = OpenAPIMediaType(schema=_BODY, examples={"OperationInput": _EXAMPLE})
        self.request_body = RequestBody(content={"application/json": media}, required=False)


def input_in(body: Any) -> dict[str, Any]:
    """The input; of no body an empty one. Raises `InvalidRequest` for what is no object."""
    given = body[WRAPPER] if isinstance(body, dict) and body.keys() == {WRAPPER} else body
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise InvalidRequest(Problem(message="must be an object", source="body"))
    return given


_BODY = Schema(
    type=OpenAPIType.OBJECT,
    description=f"The input of the steps, as it is or as the one field `{WRAPPER}`.",
)
_EXAMPLE = Example(summary="Example", value={WRAPPER: {"reason": "the disk is filling"}})
