"""API keys: how a program without a token of the platform authenticates.

    wfo_<prefix: 12 hex digits>_<256 random bits, base64url>

The store finds a key by its prefix and keeps only a SHA-256 of it: 256 random bits need no slow
hash. The key is shown once, to its creator.
"""

import hmac
import re
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from hashlib import sha256

from msgspec.structs import replace

from blocks.clock import utc_now
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.records import ApiKeyRecord
from blocks.contracts.roles import Role
from blocks.ports import NotFound, RecordStore, Stored
from blocks.queries import every
from blocks.tenants.rosters import Roster
from blocks.updates import update

MARK = "wfo_"
LIVE_MAX = 2
"""Keys of one name that may live at once: the old one and the new one, while their holder switches.
"""

TENANT_MAX = 100
"""Keys of one tenant that may live at once, regardless of their names."""

NAME_PATTERN = (
    r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}(?!\n)$"  # in Python, $ alone would let a line break pass
)
LIVES_DAYS_DEFAULT, LIVES_DAYS_MAX = 90, 730

_KEY = re.compile(r"wfo_([0-9a-f]{12})_[A-Za-z0-9_-]{43}")


class NoSuchKey(Exception):
    """This is no key of ours, or no longer."""


class KeyExpired(Exception):
    """The key was ours, and its time is over."""


class TooManyKeys(Exception):
    """The limit of keys is reached: of this name, or (None) of the tenant."""

    def __init__(self, name: str | None) -> None:
        super().__init__(
            f"{LIVE_MAX} keys named {name} are live: revoke one, or name another"
            if name is not None
            else f"{TENANT_MAX} keys of the tenant are live: revoke one"
        )


async def create_key(
    store: RecordStore,
    tenant_id: str,
    name: str,
    roles: Sequence[Role],
    *,
    lives: timedelta,
    acts_for_users: bool = False,
    is_login_link: bool = False,
) -> tuple[str, ApiKeyRecord]:
    """A new key, and what is kept of it. Raises `TooManyKeys`."""
    now = utc_now()
    prefix = secrets.token_hex(6)
    await _roster(store, tenant_id).take(_id(prefix), partial(_check_room, name), group=name)
    key = f"{MARK}{prefix}_{secrets.token_urlsafe(32)}"
    record = ApiKeyRecord(
        id=_id(prefix),
        tenant_id=SYSTEM_TENANT,
        created_at=now,
        tenant=tenant_id,
        prefix=prefix,
        name=name,
        roles=sorted(set(roles)),
        acts_for_users=acts_for_users,
        is_login_link=is_login_link,
        digest=_digest(key),
        expires_at=now + lives,
    )
    return key, (await store.create(SYSTEM_TENANT, record)).record


async def keys_of(store: RecordStore, tenant_id: str) -> list[ApiKeyRecord]:
    """All of the tenant's, oldest first, those that have ended included."""
    return [
        stored.record
        async for stored in every(store, SYSTEM_TENANT, ApiKeyRecord, {"tenant": tenant_id})
    ]


async def find_key(store: RecordStore, key: str) -> Stored[ApiKeyRecord]:
    """What is kept of this key, which is live now. Raises `NoSuchKey`, `KeyExpired`."""
    stored = await _found(store, key)
    if stored.record.is_login_link:
        raise NoSuchKey(f"key {stored.record.prefix} is a login link")
    return stored


async def find_login_link(store: RecordStore, token: str) -> Stored[ApiKeyRecord]:
    """Likewise of a login link's token."""
    stored = await _found(store, token)
    if not stored.record.is_login_link:
        raise NoSuchKey(f"key {stored.record.prefix} is no login link")
    return stored


async def _found(store: RecordStore, key: str) -> Stored[ApiKeyRecord]:
    form = _KEY.fullmatch(key)
    if form is None:
        raise NoSuchKey("this does not look like a key")
    try:
        stored = await store.read(SYSTEM_TENANT, ApiKeyRecord, _id(form[1]))
    except NotFound:
        raise NoSuchKey(f"no key has the prefix {form[1]}") from None
    if not hmac.compare_digest(_digest(key), stored.record.digest):
        raise NoSuchKey(f"the key with the prefix {form[1]} is another one")
    check_live(stored.record, utc_now())
    return stored


def check_live(record: ApiKeyRecord, now: datetime) -> None:
    """Raises `NoSuchKey`, `KeyExpired`."""
    if record.revoked_at is not None:
        raise NoSuchKey(f"key {record.prefix} has been revoked")
    if not record.is_live(now):
        raise KeyExpired(
            f"key {record.prefix} expired at {record.expires_at.isoformat(timespec='seconds')}"
        )


async def revoke_key(store: RecordStore, tenant_id: str, prefix: str) -> ApiKeyRecord:
    """The key opens nothing any more, some seconds later in every process. Raises `NotFound`."""

    async def revoked() -> ApiKeyRecord:
        stored = await known_key(store, tenant_id, prefix)
        if stored.record.revoked_at is not None:
            return stored.record
        after = replace(stored.record, revoked_at=utc_now())
        return (await store.replace(SYSTEM_TENANT, stored.etag, after)).record

    record = await update(revoked, f"key {prefix}")
    await leave(store, record)
    return record


async def forget_key(store: RecordStore, record: ApiKeyRecord) -> None:
    """The key opens nothing any more, and nothing is kept of it."""
    await store.delete(SYSTEM_TENANT, ApiKeyRecord, record.id)
    await leave(store, record)


async def leave(store: RecordStore, record: ApiKeyRecord) -> None:
    """The key counts no longer among the tenant's."""
    await _roster(store, record.tenant).leave(record.id)


def _roster(store: RecordStore, tenant_id: str) -> Roster:
    async def living() -> dict[str, str]:
        now = utc_now()
        return {one.id: one.name for one in await keys_of(store, tenant_id) if one.is_live(now)}

    return Roster(store, SYSTEM_TENANT, tenant_id, "keys", living)


def _check_room(name: str, others: Mapping[str, str]) -> None:
    if sum(one == name for one in others.values()) >= LIVE_MAX:
        raise TooManyKeys(name)
    if len(others) >= TENANT_MAX:
        raise TooManyKeys(None)


async def known_key(store: RecordStore, tenant_id: str, prefix: str) -> Stored[ApiKeyRecord]:
    """What is kept of it. Raises `NotFound`, also for another tenant's."""
    missing = NotFound(f"tenant {tenant_id} has no key {prefix}")
    if not re.fullmatch(r"[0-9a-f]{12}", prefix):
        raise missing
    try:
        stored = await store.read(SYSTEM_TENANT, ApiKeyRecord, _id(prefix))
    except NotFound:
        raise missing from None
    if stored.record.tenant != tenant_id:
        raise missing
    return stored


def _id(prefix: str) -> str:
    return f"api-key:{prefix}"


def _digest(key: str) -> str:
    return sha256(key.encode()).hexdigest()
