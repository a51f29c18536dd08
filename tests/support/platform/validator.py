"""The validator of the platform's shared library: what it refuses, a consumer never sees.

Written from the platform's wire contract, and from nothing of ours.
"""

import re
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

TYPE = re.compile(r"[a-z_]+\.[a-z_]+\.[a-z_]+")


def faults(event: Any) -> list[str]:
    """What is wrong with this envelope; nothing, if it is handed to a handler."""
    if not isinstance(event, dict):
        return ["event"]
    checks = {
        "id": _is_uuid(event.get("id")),
        "type": isinstance(event.get("type"), str) and bool(TYPE.fullmatch(event["type"])),
        "version": event.get("version") == "1.0",
        "timestamp": _is_utc(event.get("timestamp")),
        "tenantId": event.get("tenantId") == "" or _is_uuid(event.get("tenantId")),
        "source": _is_source(event.get("source")),
        "data": "data" in event,
        "metadata": _is_metadata(event.get("metadata", {})),
    }
    return [name for name, holds in checks.items() if not holds]


def _is_uuid(value: Any) -> bool:
    try:
        return isinstance(value, str) and str(UUID(value)) == value.lower()
    except ValueError:
        return False


def _is_utc(value: Any) -> bool:
    try:
        return datetime.fromisoformat(value).utcoffset() == timedelta(0)
    except (TypeError, ValueError):
        return False


def _is_source(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(value.get(name), str) and value[name] for name in ("service", "instance")
    )


def _is_metadata(value: Any) -> bool:
    ids = ("correlationId", "causationId", "userId")
    return isinstance(value, dict) and all(_is_uuid(value[name]) for name in ids if name in value)
