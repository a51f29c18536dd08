"""The second form of refusals, `application/problem+json`: Litestar documents one form only."""

from collections.abc import Mapping

import msgspec

from api.http.refusals.documents import ErrorBody, ProblemDetails
from api.http.refusals.problem_details import MEDIA_TYPE, problem_details
from blocks.contracts.events import JsonObject

_REFERENCE = "#/components/schemas/{name}"


def problem_schemas() -> Mapping[str, JsonObject]:
    """Of the body; what it refers to, the envelope does, too."""
    _, schemas = msgspec.json.schema_components([ProblemDetails], ref_template=_REFERENCE)
    return {"ProblemDetails": schemas["ProblemDetails"]}


def add_problem_details(status: int, response: JsonObject) -> None:
    """The response has both forms, each with its examples."""
    [first] = response["content"].values()
    response["content"][MEDIA_TYPE] = {
        "schema": {"$ref": _REFERENCE.format(name="ProblemDetails")},
        "examples": {
            f"{name}Details": {"summary": one["summary"], "value": _details(status, one)}
            for name, one in first["examples"].items()
        },
    }


def _details(status: int, example: JsonObject) -> JsonObject:
    """The platform's services read the message only: there, the summary begins with the code."""
    error = example["value"]["error"]
    if isinstance(error, str):
        body = ErrorBody(code=example["summary"].partition(":")[0], message=error)
    else:
        body = msgspec.convert(error, ErrorBody)
    details: JsonObject = msgspec.to_builtins(problem_details(status, body, None))
    return details
