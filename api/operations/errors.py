"""Why an operation is not started or shown, and how that is answered."""

from msgspec.structs import replace

from api.http.errors import Answer, ErrorBody, add_answers
from blocks.operations.runs import RunNotFound as RunNotFound
from blocks.operations.runs import UnknownOperation as UnknownOperation


def _own_message(error: UnknownOperation, body: ErrorBody) -> ErrorBody:
    return replace(body, message=str(error))


add_answers(
    {
        UnknownOperation: Answer(
            404, "OPERATION_NOT_FOUND", "Workflow not found", complete=_own_message
        ),
        RunNotFound: Answer(404, "RUN_NOT_FOUND", "Run not found"),
    }
)
