"""How an approval stands, in one sentence for people."""

from datetime import UTC

from blocks.approvals.timers import outcome_of_expiry
from blocks.contracts.records import ApprovalRecord

_THROUGH = {
    "api": "the API",
    "cli": "the command line",
    "link": "a link",
    "page": "its page",
    "prefect-ui": "Prefect's form",
}


def standing(approval: ApprovalRecord) -> str:
    """Who decided it, how, when and through what; or what it still needs."""
    match approval.status:
        case "pending":
            quorum, given = approval.policy.quorum, len({one.actor for one in approval.decisions})
            return (
                f"It is pending: {given} of {quorum} approvals are there."
                if quorum > 1
                else "It is pending."
            )
        case "expired":
            return (
                f"No one decided in time{_when(approval)}; it counts as "
                f"{outcome_of_expiry(approval)}."
            )
        case "cancelled":
            return f"{approval.decided_by} withdrew it{_when(approval)}.{_comment(approval)}"
        case _:
            through = _THROUGH.get(approval.decided_through or "", approval.decided_through)
            by = f" through {through}" if through else ""
            return (
                f"{approval.decided_by} {approval.status} "
                f"it{_when(approval)}{by}.{_comment(approval)}"
            )


def _when(approval: ApprovalRecord) -> str:
    at = approval.decided_at
    return f" on {at.astimezone(UTC):%Y-%m-%d at %H:%M} UTC" if at else ""


def _comment(approval: ApprovalRecord) -> str:
    return f" Reason: {approval.comment}" if approval.comment else ""
