"""What requests leave behind: answers kept under their key, API keys."""

from datetime import datetime, timedelta
from typing import ClassVar

import msgspec

from blocks.contracts.records.base import Record


class KeptAnswer(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A response as it was sent: the headers that belong to its content, and the content."""

    status: int
    headers: dict[str, str]
    body: str

    def __repr__(self) -> str:  # a body may hold a secret
        return f"KeptAnswer(status={self.status})"


class IdempotencyRecord(Record, frozen=True, kw_only=True, tag="idempotency"):
    """The outcome of a request with an Idempotency-Key; its `id` covers caller, route and key."""

    container: ClassVar[str] = "workflow_workflows"
    useful_for: ClassVar[timedelta] = timedelta(hours=24)

    digest: str
    """SHA-256 of the request: distinguishes a repetition from another one under the same key.
    """
    held_until: datetime | None = None
    """While a process works on it; after that moment, that process is taken for dead."""
    answer: KeptAnswer | None = None

    @property
    def is_free(self) -> bool:
        """True once a request has ended without an answer that counts: the key may be used for any
        other.
        """
        return self.held_until is None and self.answer is None


class ApiKeyRecord(Record, frozen=True, kw_only=True, tag="api-key"):
    """A key to the API, under the system tenant, found by the key's prefix; the key itself is
    nowhere in it.
    """

    container: ClassVar[str] = "workflow_workflows"

    tenant: str
    """Whose data the key opens."""
    prefix: str
    name: str
    roles: list[str]
    acts_for_users: bool = False
    """Whether its holder may name the user for whom a request is made."""
    is_login_link: bool = False
    """Whether it opens nothing but one login (`blocks.security.login_links`)."""
    digest: str
    """SHA-256 of the whole key."""
    expires_at: datetime
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None
    """To the minute."""

    def is_live(self, now: datetime) -> bool:
        return self.revoked_at is None and now < self.expires_at
