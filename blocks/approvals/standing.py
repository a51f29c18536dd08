"""How an approval stands, in one sentence for people."""

from datetime import UTC

from blocks.approvals.decisions import of_stage
from blocks.approvals.people import parties
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
            return _pending(approval)
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
            return f"{_by(approval)} {approval.status} it{_when(approval)}{by}.{_comment(approval)}"


def _pending(approval: ApprovalRecord) -> str:
    quorum, given = approval.policy.quorum, parties(approval, of_stage(approval))
    parts = [
        f"in stage {where}" if (where := stage_of(approval)) else "",
        f"{given} of {quorum} approvals are there" if quorum > 1 else "",
        "a question waits for its answer" if approval.open_question else "",
    ]
    return f"It is pending{': ' if any(parts) else ''}{', '.join(filter(None, parts))}."


def stage_of(approval: ApprovalRecord) -> str | None:
    """The stage that it is in, and its place; None: it has none."""
    if approval.stage is None:
        return None
    total = len(approval.stages)
    return f"{approval.stage} ({total - len(approval.later_stages)} of {total})"


def _by(approval: ApprovalRecord) -> str:
    """The decider, and for whom they stood in."""
    last = approval.decisions[-1].on_behalf_of if approval.decisions else None
    return f"{approval.decided_by} (for {last})" if last else f"{approval.decided_by}"


def _when(approval: ApprovalRecord) -> str:
    at = approval.decided_at
    return f" on {at.astimezone(UTC):%Y-%m-%d at %H:%M} UTC" if at else ""


def _comment(approval: ApprovalRecord) -> str:
    return f" Reason: {approval.comment}" if approval.comment else ""
