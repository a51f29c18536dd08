"""Approvals over HTTP."""

from collections.abc import Sequence

from api.approvals.documents import Approval, ApprovalHistory, ApprovalPage, ApprovalSummary
from blocks.contracts.approvals import HistoryEntry
from deployments.cli.actions.approvals import read_form
from deployments.cli.over_http import Access
from deployments.cli.remote.client import client, path_of

_PATH = ("hitl", "approvals")


async def query_approvals(
    access: Access, tenant_id: str, status: str, limit: int
) -> list[ApprovalSummary]:
    query = {"status": None if status == "all" else status}
    async with client(access, tenant_id) as api:
        return [one async for one in api.pages(path_of(*_PATH), ApprovalPage, limit, query)]


async def read_approval(
    access: Access, tenant_id: str, id: str
) -> tuple[Approval, Sequence[HistoryEntry]]:
    async with client(access, tenant_id) as api:
        approval = await api.get(path_of(*_PATH, id), Approval)
        pages = api.pages(path_of(*_PATH, id, "history"), ApprovalHistory, None)
        return approval, [entry async for entry in pages]


async def decide(
    access: Access,
    tenant_id: str,
    approval_id: str,
    actor: str,
    roles: Sequence[str],
    outcome: str,
    reason: str | None,
    form: str | None,
) -> Approval:
    stated = {"outcome": outcome, "reason": reason, "form": read_form(form)}
    decision = {name: value for name, value in stated.items() if value is not None}
    async with client(access, tenant_id, actor, tuple(roles)) as api:
        return await api.post(path_of(*_PATH, approval_id, "decisions"), Approval, decision)


async def ask_back(
    access: Access, tenant_id: str, approval_id: str, actor: str, roles: Sequence[str], text: str
) -> Approval:
    async with client(access, tenant_id, actor, tuple(roles)) as api:
        return await api.post(path_of(*_PATH, approval_id, "ask"), Approval, {"text": text})


async def answer(
    access: Access, tenant_id: str, approval_id: str, actor: str, text: str
) -> Approval:
    async with client(access, tenant_id, actor) as api:
        return await api.post(path_of(*_PATH, approval_id, "answer"), Approval, {"text": text})
