"""Types of optional query parameters and headers, without the `null` that Litestar would add."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.params import HeaderParameter, QueryParameter

from api.http.errors import InvalidRequest, Problem
from blocks.contracts.reading.moments import in_utc_within_limits

_NO_NUMBER = ("status", "createdAfter", "createdBefore")
_NO_NULL = (*_NO_NUMBER, "deep")


def text(description: str, *, name: str | None = None, max_length: int = 200) -> QueryParameter:
    """A text that is not empty."""
    return QueryParameter(
        name=name,
        description=description,
        min_length=1,
        max_length=max_length,
        schema_extra={"one_of": None, "type": "string"},
    )


def header(
    name: str, description: str, *, max_length: int = 200, pattern: str | None = None
) -> HeaderParameter:
    """A text in a header; the pattern is for the document, its message is the caller's."""
    return HeaderParameter(
        name=name,
        description=description,
        max_length=max_length,
        schema_extra={"one_of": None, "type": "string", "pattern": pattern},
    )


def moment(name: str, description: str) -> QueryParameter:
    """A date and time; see `in_utc`."""
    return QueryParameter(
        name=name,
        description=description,
        schema_extra={"one_of": None, "type": "string", "format": "date-time"},
    )


def in_utc(moment: datetime | None) -> datetime | None:
    """The moment in UTC; one that came without a time zone is in UTC."""
    return moment and in_utc_within_limits(moment)


def refuse_other_types(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """The guard of every route: refuses `null` for a choice, and a number for a moment.

    Litestar would read `null` as no filter, and a number as seconds since 1970. Raises
    `InvalidRequest`.
    """
    if not connection.scope["query_string"]:
        return
    for name in _NO_NULL:
        for value in connection.query_params.getall(name, []):
            is_number = name in _NO_NUMBER and re.fullmatch(r"[-+\d.eE]+", value)
            if value == "null" or is_number:
                message = (
                    f"{value} is no value here: leave it out, or use what the documentation says"
                )
                raise InvalidRequest(Problem(field=name, message=message, source="query"))


def one_of(values: Sequence[str], description: str) -> QueryParameter:
    """One of these words."""
    return QueryParameter(
        description=description, schema_extra={"type": "string", "enum": list(values)}
    )
