"""ETags of approvals, definitions, webhooks, dead letters: the record's version, which our
bookkeeping leaves alone.
"""

import re
from typing import Annotated

from api.http.errors import InvalidRequest, Problem
from api.http.parameters import header

HEADER = "If-Match"

_ETAG = re.compile(r'^(\*|(W/)?"[^"]*"|[0-9]{1,9})$')

IfMatch = Annotated[
    str | None,
    header(
        HEADER,
        'The `ETag` of what is changed, as it was read, e.g. `"3"`: refused (412) if it has '
        "changed since.",
        pattern=_ETAG.pattern,
    ),
]


def etag_of(version: int) -> str:
    return f'"{version}"'


def wanted_version(if_match: str | None) -> int | None:
    """The version that the request requires; None: any. Raises `InvalidRequest`."""
    if if_match is None or if_match.strip() == "*":
        return None
    if not _ETAG.fullmatch(if_match.strip()):
        raise InvalidRequest(Problem(field=HEADER, message="is not an ETag", source="header"))
    version = if_match.strip().removeprefix("W/").strip('"')
    # An ETag, but none of ours, cannot match.
    return int(version) if re.fullmatch("[0-9]{1,9}", version) else -1
