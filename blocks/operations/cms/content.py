"""What is kept of the CMS, and where."""

from datetime import datetime
from hashlib import sha256
from typing import Any

import msgspec

from blocks.contracts.operations.catalogue import CMS_SYNC
from blocks.contracts.reading.normalised import Normalised
from blocks.files import Files, open_files
from blocks.operations import states
from blocks.ports import RecordStore
from blocks.settings import Settings

ENDPOINTS = ("services", "pages", "menu", "posts")
"""Below `/api/` of the CMS."""


class CmsUnavailable(Exception):
    """No endpoint of the CMS gave content; what is kept stays as it is."""


class Content(Normalised, frozen=True, kw_only=True, rename="camel"):
    """An answer of the CMS: how it is recognised, and what it holds."""

    digest: str
    """SHA-256."""
    size: int
    """Bytes."""
    items: int
    etag: str | None = None
    last_modified: str | None = None
    """As the CMS states it."""
    fetched_at: datetime


class Fetched(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What came of asking an endpoint."""

    endpoint: str
    success: bool
    count: int = 0
    changed: bool = False
    content: Content | None = None
    """New content, which waits to be made current."""
    error: str | None = None


def file_of(endpoint: str) -> str:
    """The key of its current content."""
    return f"{endpoint}.json"


def incoming_file_of(endpoint: str) -> str:
    """The key of the content that is not current yet."""
    return f"incoming/{endpoint}.json"


def open_place(settings: Settings) -> Files:
    """Where content is kept; nothing is reached before the first call."""
    url = settings.operations.cms_sync.files_url
    return open_files(url, "CMS content", settings.data_dir, setting="CMS_SYNC_FILES_URL")


async def current_of(store: RecordStore, endpoint: str) -> Content | None:
    """What is known of the endpoint's current content."""
    return await states.known(store, CMS_SYNC, endpoint, Content)


def digest_of(body: bytes) -> str:
    return sha256(body).hexdigest()


def items_in(content: Any) -> int:
    """The length of a list or of the list under `data`; anything else is one item."""
    inner = content.get("data") if isinstance(content, dict) else content
    return len(inner) if isinstance(inner, list) else 1
