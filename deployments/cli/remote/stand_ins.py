"""Stand-ins over HTTP."""

from collections.abc import Sequence
from datetime import datetime

from api.stand_ins.documents import StandIn, StandInList
from blocks.ports import NotFound
from deployments.cli.over_http import Access
from deployments.cli.remote.client import client, path_of

_PATH = ("hitl", "stand-ins")


async def name_stand_in(
    access: Access,
    tenant_id: str,
    person: str,
    stand_in: str,
    roles: Sequence[str],
    begins: datetime | None,
    ends: datetime,
) -> StandIn:
    wanted = {"standIn": stand_in, "endsAt": ends} | ({"startsAt": begins} if begins else {})
    async with client(access, tenant_id, person, tuple(roles)) as api:
        return await api.post(path_of(*_PATH), StandIn, wanted)


async def end_stand_in(access: Access, tenant_id: str, person: str, actor: str) -> None:
    """Raises `NotFound` with a readable message."""
    async with client(access, tenant_id, actor) as api:
        found = api.pages(path_of(*_PATH), StandInList, None, {"person": person})
        ids = [one.id async for one in found]
        if not ids:
            raise NotFound(f"no one stands in for {person} of tenant {tenant_id}")
        for id in ids:
            await api.send("DELETE", path_of(*_PATH, id), type(None))


async def query_stand_ins(access: Access, tenant_id: str) -> list[StandIn]:
    async with client(access, tenant_id) as api:
        return [one async for one in api.pages(path_of(*_PATH), StandInList, None)]
