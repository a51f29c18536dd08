"""Notifications that others have for users: events of the log, and a service of the platform."""

from collections.abc import AsyncIterator
from typing import Any

from blocks.contracts.events import JsonObject
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.records.digests import DigestItem
from blocks.contracts.records.operations import EventRecord
from blocks.observability.plain_text import plain, shortened
from blocks.operations.digests.addresses import Addresses
from blocks.operations.digests.window import Window
from blocks.operations.http import Request, ServiceFailed, ask
from blocks.ports import Between, RecordStore
from blocks.queries import every
from blocks.settings.operations import NotificationDigest

_LENGTH = 200
_LINK_LENGTH = 2_000

Found = tuple[str, DigestItem | None]
"""An address, empty if there is none, and what it is notified of; None: that cannot be read."""


async def notices(
    store: RecordStore, settings: NotificationDigest, window: Window, addresses: Addresses
) -> AsyncIterator[Found]:
    """Those of the window. Raises `ServiceFailed`."""
    for entry in await _of_service(settings, window):
        yield await _found(entry, addresses)
    within = {
        "event_type": settings.event_types,
        "created_at": Between(since=window.since, until=window.until),
    }
    if settings.event_types:
        async for stored in every(store, SYSTEM_TENANT, EventRecord, within):
            yield await _found(stored.record.payload, addresses)


async def _of_service(settings: NotificationDigest, window: Window) -> list[Any]:
    """A list, or the list under `data`."""
    if not settings.source_url:
        return []
    answer = await ask(
        Request(
            service="the service of notifications",
            url=settings.source_url,
            query={"since": window.since.isoformat(), "until": window.until.isoformat()},
            token=settings.token,
        )
    )
    content = answer.json
    inner = content.get("data") if isinstance(content, dict) else content
    if not isinstance(inner, list):
        raise ServiceFailed("the service of notifications answered what is no list")
    return inner


async def _found(entry: Any, addresses: Addresses) -> Found:
    stated = entry if isinstance(entry, dict) else {}
    title = _text(stated, "title", "subject")
    if not title:
        return "", None
    link = _text(stated, "url", "link")
    item = DigestItem(
        kind="notification",
        title=shortened(plain(title), _LENGTH),
        detail=shortened(plain(_text(stated, "body", "message", "text")), _LENGTH),
        link=link if _can_be_followed(link) else "",
    )
    return await addresses.of_user(_text(stated, "email", "recipient", "userId")), item


def _text(stated: JsonObject, *names: str) -> str:
    """The first of these that is a text."""
    values = (stated.get(name) for name in names)
    return next((value.strip() for value in values if isinstance(value, str) and value), "")


def _can_be_followed(link: str) -> bool:
    is_web = link.startswith(("https://", "http://"))
    return is_web and len(link) <= _LINK_LENGTH and link.isprintable() and " " not in link
