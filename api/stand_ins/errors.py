"""Why a request about a stand-in is refused, and how that is answered."""

from msgspec.structs import replace

from api.http.errors import Answer, ErrorBody, Problem, add_answers
from blocks.approvals.stand_ins import HasStandIn, InvalidStandIn
from blocks.ports import NotFound


class StandInNotFound(NotFound):
    """The tenant has no such stand-in."""


class StandInChanged(Exception):
    """The stand-in is not at the version that the request requires."""


def _with_the_field(error: InvalidStandIn, body: ErrorBody) -> ErrorBody:
    return replace(body, details=[Problem(field=error.field, message=error.problem, source="body")])


add_answers(
    {
        InvalidStandIn: Answer(
            400, "VALIDATION_ERROR", "Invalid request", complete=_with_the_field
        ),
        StandInNotFound: Answer(404, "STAND_IN_NOT_FOUND", "Stand-in not found"),
        HasStandIn: Answer(
            409, "STAND_IN_EXISTS", "This user has named a stand-in: end that one first"
        ),
        StandInChanged: Answer(
            412, "PRECONDITION_FAILED", "The stand-in has changed since it was read"
        ),
    }
)
