"""Why a trigger of a job is refused, and how that is answered."""

from msgspec.structs import replace

from api.http.errors import Answer, ErrorBody, Problem, add_answers
from blocks.contracts.jobs import InvalidTrigger


def _with_the_field(error: InvalidTrigger, body: ErrorBody) -> ErrorBody:
    return replace(
        body,
        details=[
            Problem(field=error.field, message=f"{error.problem}; accepted: {error.accepted}")
        ],
    )


add_answers(
    {InvalidTrigger: Answer(400, "VALIDATION_ERROR", "Invalid request", complete=_with_the_field)}
)
