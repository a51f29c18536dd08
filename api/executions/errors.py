"""Why a request about an execution is refused, and how that is answered."""

from msgspec.structs import replace

from api.http.errors import Answer, ErrorBody, add_answers
from blocks.actions.retrying import NotRetryable
from blocks.actions.starting import NotRerunnable
from blocks.ports import NotFound


class ExecutionNotFound(NotFound):
    """The tenant has no such execution."""


class ExecutionEnded(Exception):
    """The execution has ended; nothing changes it any more."""


class WorkflowNotFound(NotFound):
    """The tenant has no opportunity analysis of this id."""


class WorkflowNotRetryable(NotRetryable):
    """The same as `NotRetryable`, for the older service's clients."""


def _with_the_reason(error: NotRetryable | NotRerunnable, body: ErrorBody) -> ErrorBody:
    return replace(body, message=f"{body.message}: {error.reason}")


add_answers(
    {
        ExecutionNotFound: Answer(404, "EXECUTION_NOT_FOUND", "Execution not found"),
        WorkflowNotFound: Answer(404, "WORKFLOW_NOT_FOUND", "Workflow not found"),
        ExecutionEnded: Answer(409, "EXECUTION_ENDED", "The execution has ended"),
        NotRetryable: Answer(
            409,
            "EXECUTION_NOT_RETRYABLE",
            "The execution cannot be retried",
            complete=_with_the_reason,
        ),
        WorkflowNotRetryable: Answer(
            409,
            "WORKFLOW_RETRY_FAILED",
            "The workflow cannot be retried",
            complete=_with_the_reason,
        ),
        NotRerunnable: Answer(
            409,
            "EXECUTION_NOT_RERUNNABLE",
            "The execution cannot be rerun",
            complete=_with_the_reason,
        ),
    }
)
