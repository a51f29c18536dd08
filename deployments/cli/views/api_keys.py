"""API keys for a person at a terminal."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import cast

from api.keys.documents import CreatedKey, Key, created_of, key_of
from blocks.contracts.roles import Role
from blocks.security import api_keys
from blocks.services import open_store
from blocks.settings import load_settings
from deployments.cli.acts import audited
from deployments.printing import PlainTable, console, say_json, say_line, table_of


async def create_key(
    tenant_id: str, name: str, roles: Sequence[str], *, acts_for_users: bool, days: int, actor: str
) -> CreatedKey:
    """The key, shown this once. Raises `TooManyKeys`."""
    async with open_store(load_settings()) as store:
        await store.provision()
        async with audited(store, tenant_id, "keys create", actor) as recorded:
            key, record = await api_keys.create_key(
                recorded,
                tenant_id,
                name,
                cast("Sequence[Role]", roles),
                lives=timedelta(days=days),
                acts_for_users=acts_for_users,
            )
    return created_of(record, key)


async def revoke_key(tenant_id: str, prefix: str, actor: str) -> None:
    """Raises `NotFound`."""
    async with (
        open_store(load_settings()) as opened,
        audited(opened, tenant_id, "keys revoke", actor, prefix) as store,
    ):
        await api_keys.revoke_key(store, tenant_id, prefix)


async def query_keys(tenant_id: str) -> list[Key]:
    async with open_store(load_settings()) as store:
        return [key_of(record) for record in await api_keys.keys_of(store, tenant_id)]


def print_keys(found: Sequence[Key], *, as_json: bool) -> None:
    if as_json:
        for key in found:
            say_json(key)
    elif not found:
        say_line("no keys")
    else:
        console().print(_table(found))


def _table(keys: Sequence[Key]) -> PlainTable:
    table = table_of("PREFIX", "NAME", "STATE", "ROLES", "EXPIRES", "LAST USED", wraps=("ROLES",))
    for key in keys:
        roles = ", ".join([*key.roles, *(["acts for users"] if key.acts_for_users else [])])
        table.add_row(
            key.prefix,
            key.name,
            key.state,
            roles,
            f"{key.expires_at:%Y-%m-%d}",
            _moment(key.last_used_at),
        )
    return table


def _moment(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M}" if at else "never"
