"""Why a request about a workflow's definition is refused, and how that is answered."""

from msgspec.structs import replace

from api.http.errors import Answer, ErrorBody, Problem, add_answers
from blocks.definitions.rules import InvalidDefinition
from blocks.ports import NotFound


class DefinitionNotFound(NotFound):
    """There is no such workflow, or none that a tenant can define."""


class DefinitionChanged(Exception):
    """The definition is not at the version that the request requires."""


def _with_the_field(error: InvalidDefinition, body: ErrorBody) -> ErrorBody:
    return replace(body, details=[Problem(field=error.field, message=error.problem, source="body")])


add_answers(
    {
        InvalidDefinition: Answer(
            400, "VALIDATION_ERROR", "Invalid request", complete=_with_the_field
        ),
        DefinitionNotFound: Answer(404, "DEFINITION_NOT_FOUND", "No such workflow can be defined"),
        DefinitionChanged: Answer(
            412, "PRECONDITION_FAILED", "The definition has changed since it was read"
        ),
    }
)
