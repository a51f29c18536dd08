"""API keys over HTTP."""

from collections.abc import Sequence

from api.keys.documents import CreatedKey, Key, KeyList
from deployments.cli.over_http import Access
from deployments.cli.remote.client import client, path_of


async def create_key(
    access: Access,
    tenant_id: str,
    name: str,
    roles: Sequence[str],
    *,
    acts_for_users: bool,
    days: int,
    actor: str,
) -> CreatedKey:
    wanted = {"name": name, "roles": roles, "days": days, "actsForUsers": acts_for_users}
    async with client(access, tenant_id, actor) as api:
        return await api.send("POST", path_of("keys"), CreatedKey, wanted)


async def query_keys(access: Access, tenant_id: str) -> list[Key]:
    async with client(access, tenant_id) as api:
        return [one async for one in api.pages(path_of("keys"), KeyList, None)]


async def revoke_key(access: Access, tenant_id: str, prefix: str, actor: str) -> None:
    async with client(access, tenant_id, actor) as api:
        await api.send("DELETE", path_of("keys", prefix), type(None))
