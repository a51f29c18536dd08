"""Notifications that a service of the platform has for users."""

from typing import Annotated, Any

import msgspec

from blocks.contracts.records.digests import DigestItem
from blocks.observability.plain_text import shortened
from blocks.operations.digests.addresses import Addresses, is_address
from blocks.operations.digests.window import Window
from blocks.operations.http import Request, ServiceFailed, ask
from blocks.settings.operations import NotificationDigest

_LENGTH = 200

Text = Annotated[str, msgspec.Meta(max_length=10_000)]


class Notice(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A notification as the service states it; who it is for as an address or an id."""

    title: Text
    body: Text = ""
    url: Text = ""
    email: Text = ""
    user_id: Text = ""


class Notices(msgspec.Struct, frozen=True):
    items: list[tuple[str, DigestItem]]
    unreadable: int
    """So many entries could not be used."""


async def notices(settings: NotificationDigest, window: Window, addresses: Addresses) -> Notices:
    """Those of the window, each with the address that it is for; empty: there is none.

    Raises `ServiceFailed`.
    """
    if not settings.source_url:
        return Notices([], 0)
    found, unreadable = list[tuple[str, DigestItem]](), 0
    for entry in await _entries(settings, window):
        try:
            notice = msgspec.convert(entry, Notice)
        except msgspec.ValidationError:
            unreadable += 1
            continue
        found.append((await _address_of(notice, addresses), _item(notice)))
    return Notices(found, unreadable)


async def _entries(settings: NotificationDigest, window: Window) -> list[Any]:
    """A list, or the list under `data`."""
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


async def _address_of(notice: Notice, addresses: Addresses) -> str:
    if is_address(notice.email):
        return notice.email.lower()
    return await addresses.of_user(notice.user_id or notice.email)


def _item(notice: Notice) -> DigestItem:
    link = notice.url if notice.url.startswith(("https://", "http://")) else ""
    return DigestItem(
        kind="notification",
        title=shortened(notice.title, _LENGTH),
        detail=shortened(notice.body, _LENGTH),
        link=link,
    )
