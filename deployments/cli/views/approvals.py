"""Approvals for a person at a terminal: a table of many, a page of one."""

from collections.abc import Sequence

from rich.text import Text

from blocks.approvals.standing import stage_of
from blocks.contracts.approvals import HistoryEntry
from blocks.contracts.records import ApprovalRecord
from blocks.ports import NotFound, Query
from blocks.services import open_store
from blocks.settings import load_settings
from deployments.printing import console, facts_of, say_json, say_line, styled, table_of

COLOURS = {
    "pending": "magenta",
    "approved": "green",
    "rejected": "red",
    "expired": "yellow",
    "cancelled": "yellow",
}


async def query_approvals(tenant_id: str, status: str, limit: int) -> list[ApprovalRecord]:
    where = {} if status == "all" else {"status": status}
    async with open_store(load_settings()) as store:
        page = await store.query(tenant_id, Query(ApprovalRecord, where, limit=limit))
    return [stored.record for stored in page.items]


async def read_approval(tenant_id: str, id: str) -> ApprovalRecord:
    """Raises `NotFound` with a readable message."""
    async with open_store(load_settings()) as store:
        try:
            return (await store.read(tenant_id, ApprovalRecord, id)).record
        except NotFound:
            raise NotFound(f"tenant {tenant_id} has no approval {id}") from None


def print_approvals(found: Sequence[ApprovalRecord], *, as_json: bool) -> None:
    if as_json:
        for approval in found:
            say_json(approval)
        return
    if not found:
        say_line("no approvals")
        return
    table = table_of(
        "ID", "SUBJECT", "STATUS", "RISK", "AMOUNT", "REQUESTED", "EXPIRES", "DECIDED BY"
    )
    for approval in found:
        table.add_row(
            approval.id,
            approval.about,
            _coloured(approval.status),
            f"{approval.risk_score:g}" if approval.opportunity_id is not None else "",
            _amount(approval),
            f"{approval.requested_at:%Y-%m-%d %H:%M:%S}Z",
            f"{approval.expires_at:%Y-%m-%d %H:%M:%S}Z" if approval.expires_at else "",
            approval.decided_by or "",
        )
    console().print(table)


def print_approval(approval: ApprovalRecord, *, as_json: bool) -> None:
    if as_json:
        say_json(approval, indent=2)
        return
    out, approvers = console(), approval.policy.approvers
    facts = {
        "approval": approval.id,
        "subject": approval.about,
        "execution": approval.execution_id,
        "status": _coloured(approval.status),
        "amount": _amount(approval),
        "asks": approval.summary,
        "approvers": ", ".join([*approvers.users, *(f"role {role}" for role in approvers.roles)])
        or "everybody",
        "quorum": str(approval.policy.quorum),
        "expires": f"{approval.expires_at:%Y-%m-%d %H:%M:%S}Z" if approval.expires_at else None,
        "stage": stage_of(approval),
        "claimed by": approval.claimed_by,
    }
    out.print(facts_of(facts))
    out.print()
    history = table_of("AT", "WHAT", "WHO", "CHANNEL", "NOTE", wraps=("NOTE",))
    for entry in approval.history:
        what = f"{entry.what}: {entry.outcome}" if entry.outcome else entry.what
        what = f"{what} ({entry.stage})" if entry.stage else what
        history.add_row(
            f"{entry.at:%Y-%m-%d %H:%M:%S}Z",
            what,
            _who(entry),
            entry.channel or "",
            entry.note or "",
        )
    out.print(history)


def _who(entry: HistoryEntry) -> str:
    who = entry.actor or ""
    return f"{who} for {entry.on_behalf_of}" if entry.on_behalf_of else who


def _amount(approval: ApprovalRecord) -> str:
    if approval.opportunity_id is None and not approval.amount:
        return ""
    return f"{approval.amount:,.0f}" if approval.amount_known else "unknown"


def _coloured(status: str) -> Text:
    return styled(status, COLOURS[status])
