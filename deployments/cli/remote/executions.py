"""Executions over HTTP."""

from datetime import datetime

from api.executions.documents import Execution, ExecutionPage, ExecutionSummary
from deployments.cli.actions.executions import checked_workflow, read_input
from deployments.cli.over_http import Access
from deployments.cli.remote.client import client, moment, path_of


async def query_executions(
    access: Access,
    tenant_id: str,
    limit: int,
    *,
    workflow: str | None = None,
    status: str | None = None,
    subject: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[ExecutionSummary]:
    query = {
        "workflow": workflow,
        "status": status,
        "subject": subject,
        "createdAfter": moment(since),
        "createdBefore": moment(until),
    }
    async with client(access, tenant_id) as api:
        return [one async for one in api.pages(path_of("executions"), ExecutionPage, limit, query)]


async def read_execution(access: Access, tenant_id: str, id: str) -> Execution:
    async with client(access, tenant_id) as api:
        return await api.get(path_of("executions", id), Execution)


async def start(
    access: Access,
    tenant_id: str,
    workflow: str,
    subject: str,
    input_json: str,
    *,
    priority: int,
    key: str | None,
    actor: str,
) -> Execution:
    wanted = {
        "workflow": checked_workflow(workflow),
        "subject": subject,
        "input": read_input(input_json),
        "priority": priority,
    }
    async with client(access, tenant_id, actor) as api:
        return await api.post(path_of("executions"), Execution, wanted, key=key)


async def cancel(
    access: Access, tenant_id: str, execution_id: str, reason: str, actor: str
) -> Execution:
    async with client(access, tenant_id, actor) as api:
        path = path_of("executions", execution_id, "cancel")
        return await api.post(path, Execution, {"reason": reason})


async def retry(access: Access, tenant_id: str, execution_id: str, actor: str) -> Execution:
    async with client(access, tenant_id, actor) as api:
        return await api.post(path_of("executions", execution_id, "retry"), Execution)


async def rerun(access: Access, tenant_id: str, execution_id: str, actor: str) -> Execution:
    async with client(access, tenant_id, actor) as api:
        return await api.post(path_of("executions", execution_id, "rerun"), Execution)
