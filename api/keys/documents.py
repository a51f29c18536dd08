"""API keys over HTTP. Only the answer to the creation contains the key itself."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from api.documentation.choices import add_choice
from api.http.documents import Document
from api.http.lists import ListPage
from blocks.clock import utc_now
from blocks.contracts.records import ApiKeyRecord
from blocks.contracts.roles import Role
from blocks.security.api_keys import LIVES_DAYS_DEFAULT, LIVES_DAYS_MAX, NAME_PATTERN

KeyState = Literal["live", "expired", "revoked"]
add_choice("KeyState", KeyState)


class NewKey(Document, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The key to make; it may have no role that its maker lacks."""

    name: Annotated[str, msgspec.Meta(pattern=NAME_PATTERN, max_length=100)]
    roles: Annotated[list[Role], msgspec.Meta(min_length=1, max_length=10)]
    days: Annotated[int, msgspec.Meta(ge=1, le=LIVES_DAYS_MAX)] = LIVES_DAYS_DEFAULT
    acts_for_users: bool = False


class Key(Document, frozen=True, kw_only=True):
    """A key of the tenant; `prefix` stands between the underscores of the key itself, and names it
    here.
    """

    prefix: str
    name: str
    state: KeyState
    roles: list[str]
    acts_for_users: bool = False
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None


class CreatedKey(Key, frozen=True, kw_only=True):
    """A new key; it is not shown again."""

    key: str


class KeyList(ListPage, frozen=True, kw_only=True):
    """A page of the tenant's keys, those that have ended included."""

    items: list[Key]


def key_of(record: ApiKeyRecord) -> Key:
    return Key(
        prefix=record.prefix,
        name=record.name,
        state=_state(record),
        roles=record.roles,
        acts_for_users=record.acts_for_users,
        created_at=record.created_at,
        expires_at=record.expires_at,
        revoked_at=record.revoked_at,
        last_used_at=record.last_used_at,
    )


def created_of(record: ApiKeyRecord, key: str) -> CreatedKey:
    return CreatedKey(**msgspec.structs.asdict(key_of(record)), key=key)


def _state(record: ApiKeyRecord) -> KeyState:
    if record.revoked_at is not None:
        return "revoked"
    return "live" if record.is_live(utc_now()) else "expired"
