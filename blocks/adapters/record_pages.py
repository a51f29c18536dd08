"""Pages of records: each ends with a token, valid for the same tenant, kind and order only.

The token holds the sort key of the last record given out, so a page starts where the one before
ended, regardless of creations and deletions in between, and no store has to keep state.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256
from typing import Any, TypeVar

from blocks.adapters.record_rules import sort_key, tag
from blocks.contracts.records import Record
from blocks.ports import Page, Query, Stored

R = TypeVar("R", bound=Record)

LIMIT_MAX = 1000
_DIGEST_BYTES = 12


def key_before(tenant_id: str, query: Query[Any]) -> str | None:
    """The sort key before the page; None: the first page. Raises `ValueError`."""
    if not 1 <= query.limit <= LIMIT_MAX:
        raise ValueError(f"a page has 1 to {LIMIT_MAX} records, not {query.limit}")
    if query.continuation is None:
        return None
    try:
        content = urlsafe_b64decode(query.continuation)
        digest, key = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:].decode()
    except ValueError:
        digest, key = b"", ""
    if digest != _digest(tenant_id, query, key):
        raise ValueError("this continuation belongs to another query")
    return key


def page_of(tenant_id: str, query: Query[R], found: list[Stored[R]]) -> Page[R]:
    """The page of what was found; with a continuation if more was found than it holds."""
    if len(found) <= query.limit:
        return Page(found)
    key = sort_key(found[query.limit - 1].record)
    token = urlsafe_b64encode(_digest(tenant_id, query, key) + key.encode()).decode()
    return Page(found[: query.limit], token)


def _digest(tenant_id: str, query: Query[Any], key: str) -> bytes:
    # Against mix-ups, not against forgery: a forged token still sees no other tenant's records.
    text = "\n".join((tenant_id, tag(query.kind), str(query.newest_first), key))
    return sha256(text.encode()).digest()[:_DIGEST_BYTES]
