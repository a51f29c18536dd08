"""The audit log over HTTP."""

from collections.abc import Mapping
from datetime import datetime

from api.audit.documents import AuditEntry, AuditPage
from deployments.cli.over_http import Access
from deployments.cli.remote.client import client, moment, path_of


async def query_entries(
    access: Access,
    tenant_id: str,
    wanted: Mapping[str, str | None],
    limit: int,
    *,
    since: datetime | None,
    until: datetime | None,
) -> list[AuditEntry]:
    query = {**wanted, "createdAfter": moment(since), "createdBefore": moment(until)}
    async with client(access, tenant_id) as api:
        return [one async for one in api.pages(path_of("audit"), AuditPage, limit, query)]
