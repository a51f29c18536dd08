"""Notifications of users, as events of the log state them."""

import re
from datetime import datetime

import msgspec

from blocks.contracts.events import JsonObject
from blocks.contracts.reading.limits import EMAIL_PATTERN
from blocks.contracts.records.operations import EventRecord
from blocks.observability.plain_text import cut, plain, plain_lines

_TITLE_LENGTH, _BODY_LENGTH, _LINK_LENGTH = 200, 1_000, 2_000


class Notice(msgspec.Struct, frozen=True):
    """One notification of one user."""

    address: str
    at: datetime
    title: str
    body: str
    link: str
    """http or https; empty: none."""


def notice_in(event: EventRecord) -> Notice | None:
    """None: it names no e-mail address, or states nothing."""
    stated = event.payload if isinstance(event.payload, dict) else {}
    address = _text(stated, "email", "recipient")
    title = cut(plain(_text(stated, "title", "subject")), _TITLE_LENGTH)
    body = cut(plain_lines(_text(stated, "body", "message", "text")), _BODY_LENGTH)
    link = _text(stated, "url", "link")
    if not re.fullmatch(EMAIL_PATTERN, address) or not (title or body):
        return None
    return Notice(
        address=address,
        at=event.occurred_at,
        title=title or body.partition("\n")[0],
        body=body if title else "",
        link=link if re.fullmatch(rf"https?://[!-~]{{1,{_LINK_LENGTH}}}", link) else "",
    )


def _text(stated: JsonObject, *names: str) -> str:
    """The first of these that is a text."""
    values = (stated.get(name) for name in names)
    return next((value.strip() for value in values if isinstance(value, str) and value), "")
