"""UUIDs as they come in: letters in any case are read, one spelling is used from there on.

RFC 9562 writes them in lower case and reads them in any. Other notations (`urn:uuid:`, braces, no
hyphens) are none of the platform's and are refused.
"""

import re

_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

_UUID_IN_BYTES = re.compile(rb"(?<=/)" + _UUID.pattern.encode() + rb"(?=/|$)")


def canonical_uuid(value: str) -> str | None:
    """The UUID in lower case with hyphens, or None if it is none: one spelling, one tenant."""
    return value.lower() if _UUID.fullmatch(value) else None


def matching_id(value: str) -> str:
    """What an id of another system is compared by: a UUID in lower case, anything else as it is."""
    return canonical_uuid(value) or value


def spellings(value: str) -> tuple[str, ...]:
    """How an id of another system may be spelled in records that keep it as it came."""
    return (
        tuple(sorted({value, value.lower(), value.upper()})) if canonical_uuid(value) else (value,)
    )


def in_lower_case(path: bytes) -> bytes:
    """The path with every UUID in it in lower case, and all else as it is."""
    return _UUID_IN_BYTES.sub(lambda found: found[0].lower(), path)


def required_uuid(value: str) -> str:
    """The UUID in lower case; an empty text stays one. Raises `ValueError` for anything else."""
    canonical = canonical_uuid(value)
    if canonical is None and value:
        raise ValueError(f"{value[:80]!r} is not a UUID")
    return canonical or ""
