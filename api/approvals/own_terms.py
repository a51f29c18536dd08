"""What an approval that somebody asks for may say of itself, by the role of who asks."""

from api.access.identity import Actor
from api.approvals.documents import NewApproval
from api.http.errors import RoleMissing
from blocks.contracts.approvals import OUTCOMES, ApprovalPolicy
from blocks.contracts.roles import allows


def check_terms(actor: Actor, data: NewApproval) -> None:
    """Raises `RoleMissing`: terms of one's own are an admin's, where an execution waits or the clock would approve."""
    if needs_admin(data) and not allows(actor.roles, "admin"):
        raise RoleMissing("admin")


def needs_admin(data: NewApproval) -> bool:
    """Whether it says who decides and what counts, about an execution, or that silence is a yes."""
    return data.on_expiry == "approve" or (data.execution_id is not None and _has_own_terms(data))


def _has_own_terms(data: NewApproval) -> bool:
    return (
        data.policy != ApprovalPolicy()
        or data.on_reject != "fail"
        or set(data.options) != set(OUTCOMES)  # without a rejection nobody can say no
        or bool(data.escalations)
        or data.gate is not None  # the gates of an execution are its workflow's
    )
