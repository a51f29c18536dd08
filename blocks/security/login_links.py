"""Login links: each begins one session of a person in a browser, within minutes.

A link is an API key of a kind of its own: it is kept, listed, counted and revoked as keys are, and
opens nothing but the login. Its use revokes it and makes the session's own key, of the same name
and roles. Of two who use it at once, one wins.
"""

import secrets
from collections.abc import Sequence
from datetime import timedelta

from msgspec.structs import replace

from blocks.clock import utc_now
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.records import ApiKeyRecord
from blocks.contracts.roles import ROLES, Role
from blocks.ports import RecordStore, Stale
from blocks.security import api_keys

LIVES = timedelta(minutes=10)


async def create_link(
    store: RecordStore, tenant_id: str, roles: Sequence[Role]
) -> tuple[str, ApiKeyRecord]:
    """The token of a new link, and what is kept of it. Raises `TooManyKeys`."""
    name = f"login-{secrets.token_hex(4)}"
    return await api_keys.create_key(store, tenant_id, name, roles, lives=LIVES, is_login_link=True)


async def find_link(store: RecordStore, token: str) -> ApiKeyRecord:
    """What is kept of the link, which can be used now. Raises `NoSuchKey`, `KeyExpired`."""
    return (await api_keys.find_login_link(store, token)).record


async def use_link(store: RecordStore, token: str, *, lives: timedelta) -> tuple[str, ApiKeyRecord]:
    """The key of a session that lives so long; the link opens nothing any more.

    Raises `NoSuchKey`, `KeyExpired`; `Unavailable` may have used the link up.
    """
    stored = await api_keys.find_login_link(store, token)
    link = stored.record
    try:
        await store.replace(SYSTEM_TENANT, stored.etag, replace(link, revoked_at=utc_now()))
    except Stale:
        raise api_keys.NoSuchKey(f"login link {link.prefix} has just been used") from None
    await api_keys.leave(store, link)
    return await api_keys.create_key(
        store, link.tenant, link.name, [role for role in ROLES if role in link.roles], lives=lives
    )
