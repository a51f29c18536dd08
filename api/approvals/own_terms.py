"""Which terms the request for an approval may set, by the role of the requester."""

from api.access.errors import RoleMissing
from api.access.identity import Actor
from api.approvals.documents import NewApproval
from blocks.contracts.approvals import OUTCOMES, ApprovalPolicy
from blocks.contracts.roles import allows


def check_terms(actor: Actor, data: NewApproval) -> None:
    """Raises `RoleMissing` if the terms need an admin and the requester is none."""
    if needs_admin(data) and not allows(actor.roles, "admin"):
        raise RoleMissing("admin")


def needs_admin(data: NewApproval) -> bool:
    """Whether it sets the policy of an execution's approval, or approves at expiry."""
    return data.on_expiry == "approve" or (data.execution_id is not None and _has_own_terms(data))


def _has_own_terms(data: NewApproval) -> bool:
    return (
        data.policy != ApprovalPolicy()
        or data.on_reject != "fail"
        or set(data.options) != set(OUTCOMES)  # without a rejection it can only be approved
        or bool(data.escalations)
        or data.gate is not None  # the gates of an execution are its workflow's
    )
