"""Stand-ins for a person at a terminal."""

from collections.abc import Sequence
from datetime import datetime

from blocks.approvals import stand_ins
from blocks.clock import utc_now
from blocks.contracts import ids
from blocks.contracts.identities import spelled
from blocks.contracts.records import StandInRecord
from blocks.ports import NotFound
from blocks.queries import every
from blocks.services import open_store
from blocks.settings import load_settings
from deployments.cli.acts import audited
from deployments.printing import console, say_json, say_line, table_of


async def name_stand_in(
    tenant_id: str,
    person: str,
    stand_in: str,
    roles: Sequence[str],
    begins: datetime | None,
    ends: datetime,
) -> StandInRecord:
    """Raises `InvalidStandIn`, `HasStandIn`."""
    async with (
        open_store(load_settings()) as opened,
        audited(opened, tenant_id, "stand-ins name", person) as store,
    ):
        return await stand_ins.name_stand_in(
            store, tenant_id, person, stand_in, begins or utc_now(), ends, roles=roles
        )


async def end_stand_in(tenant_id: str, person: str, actor: str) -> None:
    """Raises `NotFound` with a readable message."""
    id = ids.stand_in_id(tenant_id, spelled(person))
    async with (
        open_store(load_settings()) as opened,
        audited(opened, tenant_id, "stand-ins end", actor, id) as store,
    ):
        try:
            await store.read(tenant_id, StandInRecord, id)
        except NotFound:
            raise NotFound(f"no one stands in for {person} of tenant {tenant_id}") from None
        await stand_ins.end_stand_in(store, tenant_id, id)


async def print_stand_ins(tenant_id: str, *, as_json: bool) -> None:
    async with open_store(load_settings()) as store:
        found = [stored.record async for stored in every(store, tenant_id, StandInRecord)]
    if as_json:
        for one in found:
            say_json(one)
    elif not found:
        say_line("no stand-ins")
    else:
        table = table_of("PERSON", "STAND-IN", "FROM", "UNTIL", "ROLES")
        for one in found:
            table.add_row(
                one.person,
                one.stand_in,
                f"{one.starts_at:%Y-%m-%d %H:%M}Z",
                f"{one.ends_at:%Y-%m-%d %H:%M}Z",
                ", ".join(one.roles),
            )
        console().print(table)
