"""Values in a document of the older service, read one by one: an odd one costs only itself."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from blocks.contracts.older_service.form import Document, Unreadable
from blocks.contracts.reading.carriable import uncarriable
from blocks.contracts.reading.moments import in_utc
from blocks.contracts.reading.numbers import Unreadable as NoNumber
from blocks.contracts.reading.numbers import read_number
from blocks.contracts.reading.uuids import canonical_uuid

UNKNOWN_MOMENT = datetime(1970, 1, 1, tzinfo=UTC)
"""Stands for a moment that no field of the document states."""

_TEXT_MAX = 4000


class _Kept(msgspec.Struct):
    document: Any


def own_id(document: Document) -> str:
    """The document's id. Raises `Unreadable` unless it is a UUID in lower case, as all of the
    older service's are: under another spelling no route would find it.
    """
    id = document.get("id")
    if not isinstance(id, str) or canonical_uuid(id) != id:
        raise Unreadable("its id is not a UUID in lower case")
    return id


def tenant_of(document: Document) -> str:
    """Raises `Unreadable`, likewise."""
    tenant = document.get("tenantId")
    if not isinstance(tenant, str) or canonical_uuid(tenant) != tenant:
        raise Unreadable("its tenantId is not a UUID in lower case")
    return tenant


def text(value: Any) -> str | None:
    """The text; a whole number is its digits. None: there is none, or it is of another kind."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value) if value.bit_length() <= 64 else None
    if not isinstance(value, str) or not 0 < len(value) <= _TEXT_MAX:
        return None
    return value if _is_unicode(value) else None


def moment(value: Any) -> datetime | None:
    """ISO 8601, in UTC. None for anything else: a number may be seconds or milliseconds."""
    try:
        return in_utc(datetime.fromisoformat(value))
    except (TypeError, ValueError):
        return None


def first_moment(document: Document, *keys: str) -> datetime:
    """The first of these that is a moment; else when Cosmos DB last wrote the document."""
    found = next((at for at in (moment(document.get(key)) for key in keys) if at), None)
    return found or _written_at(document)


def number(value: Any, limit: float) -> float | None:
    """The number, or the one in the text. None: it is none without doubt, or beyond the limit."""
    try:
        read = read_number(value)
    except NoNumber:
        return None
    return float(read) if abs(read) <= limit else None


def carriable(document: Document) -> dict[str, Any]:
    """The document without Cosmos DB's own fields, as it is when it has been written as JSON again:
    a number that JSON has not (NaN, infinity) is null. Raises `Unreadable` if it cannot be written.
    """
    mine = {key: value for key, value in document.items() if not key.startswith("_")}
    if reason := uncarriable(_Kept(mine)):
        raise Unreadable(f"the {reason}")
    try:
        written = msgspec.json.encode(mine)
    except (UnicodeEncodeError, ValueError, TypeError):
        raise Unreadable("it holds a text that is no Unicode") from None
    return msgspec.json.decode(written, type=dict[str, Any])


def _written_at(document: Document) -> datetime:
    try:
        return in_utc(datetime.fromtimestamp(document["_ts"], UTC))
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        return UNKNOWN_MOMENT


def _is_unicode(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
