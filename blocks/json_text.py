"""JSON that a person typed or a file holds: read as strictly as the body of a request."""

from typing import Any

import msgspec

from blocks.approvals.form_schemas import depth_within
from blocks.contracts.events import JsonObject
from blocks.contracts.reading.carriable import DEPTH_MAX
from blocks.contracts.reading.repeated_keys import RepeatedKey, refuse_repeated_keys


def read_json(text: str | bytes) -> Any:
    """What it stands for. Raises `ValueError`, with a reason for people, for what is no JSON, is
    nested too deep or has a key twice in one object.
    """
    body = text.encode() if isinstance(text, str) else text
    try:
        value = msgspec.json.decode(body)
        if not depth_within(value, DEPTH_MAX):
            raise RecursionError
        refuse_repeated_keys(body)
    except RecursionError:
        raise ValueError(f"it is nested more than {DEPTH_MAX} deep") from None
    except RepeatedKey as repeated:
        raise ValueError(str(repeated)) from None
    return value


def read_json_object(text: str | bytes) -> JsonObject:
    """Raises `ValueError` as `read_json` does, and for JSON that is no object."""
    value = read_json(text)
    if not isinstance(value, dict):
        raise ValueError("it is JSON, but no object")
    return value
