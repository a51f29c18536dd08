"""Pages of records: each ends with a token, valid for the same tenant, kind and order only.

The token holds the sort key of the last record given out, so a page starts where the one before
ended, regardless of creations and deletions in between, and no store has to keep state.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256
from typing import Generic, TypeVar

import msgspec

from blocks.adapters.record_rules import sort_key, tag
from blocks.contracts.records import Record
from blocks.ports import Page, Stored

R = TypeVar("R", bound=Record)

LIMIT_MAX = 1000
_DIGEST_BYTES = 12


class Listing(msgspec.Struct, Generic[R], frozen=True):
    """One tenant's records of one kind, in one of two orders."""

    tenant_id: str
    kind: type[R]
    newest_first: bool

    def after(self, limit: int, continuation: str | None) -> str | None:
        """The sort key before the page; None: the first page. Raises `ValueError`."""
        if not 1 <= limit <= LIMIT_MAX:
            raise ValueError(f"a page has 1 to {LIMIT_MAX} records, not {limit}")
        return None if continuation is None else self._opened(continuation)

    def page(self, found: list[Stored[R]], limit: int) -> Page[R]:
        """The first `limit` of what was found; with a continuation if more was found than that."""
        if len(found) <= limit:
            return Page(found)
        return Page(found[:limit], self._token(sort_key(found[limit - 1].record)))

    def _token(self, key: str) -> str:
        return urlsafe_b64encode(self._digest(key) + key.encode()).decode()

    def _opened(self, token: str) -> str:
        try:
            content = urlsafe_b64decode(token)
            digest, key = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:].decode()
        except ValueError:
            digest, key = b"", ""
        if digest != self._digest(key):
            raise ValueError("this continuation belongs to another query")
        return key

    def _digest(self, key: str) -> bytes:
        # Against mix-ups, not against forgery: a forged token still sees no other tenant's records.
        text = "\n".join((self.tenant_id, tag(self.kind), str(self.newest_first), key))
        return sha256(text.encode()).digest()[:_DIGEST_BYTES]
