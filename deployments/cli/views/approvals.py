"""Approvals for a person at a terminal: a table of many, a page of one."""

from collections.abc import Sequence

import msgspec
from rich.text import Text

from api.approvals.documents import Approval, ApprovalSummary, approval_of, summary_of
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


async def query_approvals(tenant_id: str, status: str, limit: int) -> list[ApprovalSummary]:
    where = {} if status == "all" else {"status": status}
    async with open_store(load_settings()) as store:
        page = await store.query(tenant_id, Query(ApprovalRecord, where, limit=limit))
    return [summary_of(stored.record) for stored in page.items]


async def read_approval(tenant_id: str, id: str) -> tuple[Approval, Sequence[HistoryEntry]]:
    """The approval and what has happened to it. Raises `NotFound` with a readable message."""
    async with open_store(load_settings()) as store:
        try:
            found = (await store.read(tenant_id, ApprovalRecord, id)).record
        except NotFound:
            raise NotFound(f"tenant {tenant_id} has no approval {id}") from None
    return approval_of(found), found.history


def print_approvals(found: Sequence[ApprovalSummary], *, as_json: bool) -> None:
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
            _about(approval),
            _coloured(approval.status),
            f"{approval.risk_score:g}" if _is_of_opportunity(approval) else "",
            _amount(approval),
            f"{approval.requested_at:%Y-%m-%d %H:%M:%S}Z",
            f"{approval.expires_at:%Y-%m-%d %H:%M:%S}Z" if approval.expires_at else "",
            approval.decided_by or "",
        )
    console().print(table)


def print_approval(approval: Approval, entries: Sequence[HistoryEntry], *, as_json: bool) -> None:
    if as_json:
        say_json(msgspec.to_builtins(approval) | {"history": entries}, indent=2)
        return
    out, approvers = console(), approval.policy.approvers
    facts = {
        "approval": approval.id,
        "subject": _about(approval),
        "execution": approval.execution_id,
        "status": _coloured(approval.status),
        "amount": _amount(approval),
        "asks": approval.summary,
        "approvers": ", ".join([*approvers.users, *(f"role {role}" for role in approvers.roles)])
        or "everybody",
        "quorum": str(approval.policy.quorum),
        "expires": f"{approval.expires_at:%Y-%m-%d %H:%M:%S}Z" if approval.expires_at else None,
        "stage": stage_of(approval.stage, approval.stages),
        "claimed by": approval.claimed_by,
    }
    out.print(facts_of(facts))
    out.print()
    history = table_of("AT", "WHAT", "WHO", "CHANNEL", "NOTE", wraps=("NOTE",))
    for entry in entries:
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


def _about(approval: ApprovalSummary) -> str:
    return approval.subject or approval.opportunity_id


def _is_of_opportunity(approval: ApprovalSummary) -> bool:
    """Where there is none, the document has the subject in its place."""
    return approval.opportunity_id != approval.subject


def _amount(approval: ApprovalSummary) -> str:
    if not _is_of_opportunity(approval) and not approval.amount:
        return ""
    return f"{approval.amount:,.0f}" if approval.amount_known else "unknown"


def _coloured(status: str) -> Text:
    return styled(status, COLOURS[status])
