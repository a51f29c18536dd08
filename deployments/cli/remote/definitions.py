"""Definitions over HTTP."""

from api.definitions.documents import Definition
from deployments.cli.over_http import Access
from deployments.cli.remote.client import client, path_of
from deployments.cli.views.definitions import read_wanted


async def read(access: Access, tenant_id: str, workflow: str) -> Definition:
    async with client(access, tenant_id) as api:
        return await api.get(path_of("definitions", workflow), Definition)


async def write(
    access: Access, tenant_id: str, workflow: str, text: bytes, actor: str, version: int | None
) -> Definition:
    wanted, path = read_wanted(text), path_of("definitions", workflow)
    async with client(access, tenant_id, actor) as api:
        return await api.send("PUT", path, Definition, wanted, if_match=_etag(version))


async def reset(
    access: Access, tenant_id: str, workflow: str, actor: str, version: int | None
) -> Definition:
    path = path_of("definitions", workflow)
    async with client(access, tenant_id, actor) as api:
        await api.send("DELETE", path, type(None), if_match=_etag(version))
        return await api.get(path, Definition)


def _etag(version: int | None) -> str | None:
    return None if version is None else f'"{version}"'
