"""The holder of an API key, cached so that not every request asks the store."""

from contextlib import suppress
from datetime import timedelta
from hashlib import sha256
from time import monotonic

import msgspec
from msgspec.structs import replace

from api.access.errors import CredentialExpired, CredentialInvalid
from api.access.identity import Identity
from blocks.clock import utc_now
from blocks.contracts.identities import KEY
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.records import ApiKeyRecord
from blocks.ports import NotFound, RecordStore, Stale, Stored, Unavailable
from blocks.security import api_keys

BELIEVED_SECONDS = 3.0
"""How long a valid key is cached: a revocation takes effect after at most that."""

USE_NOTED_EVERY = timedelta(minutes=1)

_REMEMBERED_MAX = 10_000


class _Known(msgspec.Struct, frozen=True):
    record: ApiKeyRecord
    until: float


class KeyHolders:
    """Checks keys, and notes that they were used; lives as long as the application."""

    def __init__(self, store: RecordStore) -> None:
        self._store = store
        self._known: dict[bytes, _Known] = {}

    async def identity(self, key: str, *, wary: bool = False) -> Identity:
        """Raises `CredentialInvalid`, with the flag also for each key that was not valid here
        before.
        """
        try:
            record = await self._record(key, wary)
            api_keys.check_live(record, utc_now())
        except api_keys.NoSuchKey as error:
            raise CredentialInvalid(str(error)) from None
        except api_keys.KeyExpired as error:
            raise CredentialExpired(str(error)) from None
        roles = frozenset(record.roles)
        return Identity(
            record.tenant, KEY + record.name, roles, record.acts_for_users, credential="api-key"
        )

    async def _record(self, key: str, wary: bool) -> ApiKeyRecord:
        digest, now = sha256(key.encode()).digest(), monotonic()
        known = self._known.get(digest)
        if known and now < known.until:
            return known.record
        if wary and known is None:
            raise CredentialInvalid(
                "a new key, and too many from this address were not valid: it was not looked up"
            )
        self._known.pop(digest, None)
        stored = await api_keys.find_key(self._store, key)
        await self._note_use(stored)
        if len(self._known) >= _REMEMBERED_MAX:
            self._known.clear()
        self._known[digest] = _Known(stored.record, now + BELIEVED_SECONDS)
        return stored.record

    async def _note_use(self, stored: Stored[ApiKeyRecord]) -> None:
        now, last = utc_now(), stored.record.last_used_at
        if last is not None and now - last < USE_NOTED_EVERY:
            return
        with suppress(
            Stale, NotFound, Unavailable
        ):  # another process has noted it, or the next use will
            await self._store.replace(
                SYSTEM_TENANT, stored.etag, replace(stored.record, last_used_at=now)
            )
