"""ETags of approvals, definitions and dead letters: the record's version, which our own bookkeeping leaves alone."""

import re
from typing import Annotated

from api.errors import InvalidRequest, Problem
from api.parameters import header

HEADER = "If-Match"

IfMatch = Annotated[
    str | None,
    header(HEADER, 'The `ETag` of what is changed, as it was read, e.g. `"3"`: refused (412) if it has changed since.'),
]


def etag_of(version: int) -> str:
    return f'"{version}"'


def wanted_version(if_match: str | None) -> int | None:
    """The version that the request insists on; None: it insists on none. Raises `InvalidRequest`."""
    if if_match is None or if_match.strip() == "*":
        return None
    match = re.fullmatch(r'(?:W/)?"?(\d{1,9})"?', if_match.strip())
    if match is None:
        if re.fullmatch(r'(?:W/)?"[^"]*"', if_match.strip()):
            return -1  # an ETag, but none of ours: it cannot match
        raise InvalidRequest(Problem(field=HEADER, message="is not an ETag", source="header"))
    return int(match[1])
