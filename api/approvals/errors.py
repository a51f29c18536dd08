"""Why a request about an approval is refused, and how that is answered."""

from msgspec.structs import replace

from api.http.errors import (
    Answer,
    ErrorBody,
    InvalidRequest,
    Problem,
    WinningDecision,
    add_answers,
)
from blocks.approvals import changes, decisions, lifecycle, questions, room
from blocks.ports import NotFound
from blocks.security import signed_links


class ApprovalNotFound(NotFound):
    """The tenant has no such approval."""


class DeciderMissing(InvalidRequest):
    """`decidedBy` is there, and empty."""

    def __init__(self) -> None:
        super().__init__(Problem(field="decidedBy", message="is required", source="body"))


class ApprovalChanged(Exception):
    """The approval is not at the version that the request requires."""


class LinkForbids(Exception):
    """The link does not permit this outcome."""


def _with_the_decision(error: decisions.AlreadyDecided, body: ErrorBody) -> ErrorBody:
    approval = error.approval
    winner = WinningDecision(
        approval_id=approval.id,
        status=approval.status,
        decided_by=approval.decided_by,
        decided_at=approval.decided_at,
        decided_through=approval.decided_through,
        comment=approval.comment,
    )
    return replace(body, message=str(error), decision=winner)


def _with_the_sizes(error: room.NoRoom, body: ErrorBody) -> ErrorBody:
    return replace(body, message=str(error))


def _with_the_field(error: decisions.InvalidVote, body: ErrorBody) -> ErrorBody:
    return replace(body, details=[Problem(field=error.field, message=error.reason, source="body")])


def _with_the_problem(error: DeciderMissing, body: ErrorBody) -> ErrorBody:
    return replace(body, details=list(error.problems))


add_answers(
    {
        DeciderMissing: Answer(
            400, "VALIDATION_ERROR", "decidedBy is required", complete=_with_the_problem
        ),
        decisions.InvalidVote: Answer(
            400, "VALIDATION_ERROR", "Invalid request", complete=_with_the_field
        ),
        decisions.NotAnApprover: Answer(
            403, "HITL_NOT_AN_APPROVER", "Others may decide this approval"
        ),
        decisions.SelfApproval: Answer(
            403, "HITL_SELF_APPROVAL", "Who asked for an approval may not decide it"
        ),
        LinkForbids: Answer(403, "HITL_LINK_FORBIDS", "The link does not permit this outcome"),
        ApprovalNotFound: Answer(404, "HITL_APPROVAL_NOT_FOUND", "HITL approval not found"),
        signed_links.LinkForged: Answer(404, "HITL_LINK_INVALID", "This is no link of ours"),
        decisions.AlreadyDecided: Answer(
            409,
            "HITL_APPROVAL_NOT_PENDING",
            "The approval is not pending",
            complete=_with_the_decision,
        ),
        decisions.AlreadyVoted: Answer(409, "HITL_ALREADY_VOTED", "This user has approved already"),
        questions.QuestionOpen: Answer(
            409, "HITL_QUESTION_OPEN", "The last question has no answer yet"
        ),
        questions.NoQuestion: Answer(409, "HITL_NO_QUESTION", "No question waits for an answer"),
        changes.ClaimedByAnother: Answer(
            409, "HITL_APPROVAL_CLAIMED", "Another user has claimed the approval"
        ),
        changes.ApprovalFull: Answer(
            409,
            "HITL_APPROVAL_FULL",
            "The approval has as many links, questions or entries as it may; decide or cancel it",
        ),
        room.NoRoom: Answer(
            409,
            "HITL_APPROVAL_NO_ROOM",
            "The approval's record has no room for this",
            complete=_with_the_sizes,
        ),
        lifecycle.TooManyAsked: Answer(
            409, "EXECUTION_APPROVALS_FULL", "The execution waits for as many approvals as may"
        ),
        decisions.Expired: Answer(410, "HITL_APPROVAL_EXPIRED", "The approval has expired"),
        signed_links.LinkExpired: Answer(410, "HITL_LINK_EXPIRED", "The link has expired"),
        decisions.LinkUsed: Answer(410, "HITL_LINK_USED", "This link has been used"),
        ApprovalChanged: Answer(
            412, "PRECONDITION_FAILED", "The approval has changed since it was read"
        ),
        signed_links.LinksDisabled: Answer(
            501, "HITL_LINKS_DISABLED", "Links are not switched on here"
        ),
    }
)
