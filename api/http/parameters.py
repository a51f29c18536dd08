"""Types of query parameters and headers, without the `null` that Litestar would add, and the guard
that refuses every other parameter.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any

import msgspec
from litestar import Litestar
from litestar.connection import ASGIConnection
from litestar.enums import HttpMethod, ScopeType
from litestar.handlers import BaseRouteHandler
from litestar.openapi.spec import OpenAPIFormat, OpenAPIType, Schema
from litestar.params import HeaderParameter, QueryParameter
from litestar.routes import HTTPRoute

from api.http.deprecation import is_to_the_letter
from api.http.errors import InvalidRequest, Problem
from blocks.contracts.reading.moments import in_utc_within_limits
from blocks.ports import Between

VALUES_MAX = 20
"""Values of one filter in one request."""

Texts = list[Annotated[str, msgspec.Meta(min_length=1, max_length=200)]] | None
"""Of a filter that may be repeated."""


def text(description: str, *, name: str | None = None, max_length: int = 200) -> QueryParameter:
    """A text that is not empty."""
    return QueryParameter(
        name=name,
        description=description,
        min_length=1,
        max_length=max_length,
        schema_extra={"one_of": None, "type": "string"},
    )


def texts(description: str, *, name: str | None = None) -> QueryParameter:
    """Texts, any of which may hold: the parameter is repeated."""
    return _several(
        description, name, Schema(type=OpenAPIType.STRING, min_length=1, max_length=200)
    )


def words(values: Sequence[str], description: str) -> QueryParameter:
    """Some of these words, any of which may hold: the parameter is repeated."""
    return _several(description, None, Schema(type=OpenAPIType.STRING, enum=list(values)))


def _several(description: str, name: str | None, item: Schema) -> QueryParameter:
    return QueryParameter(
        name=name,
        description=f"{description}; repeated, any of the values",
        max_items=VALUES_MAX,
        schema_extra={
            "one_of": None,
            "type": "array",
            "items": item,
            "min_items": 1,
            "max_items": VALUES_MAX,
        },
    )


def one_of(values: Sequence[str], description: str) -> QueryParameter:
    """One of these words."""
    return QueryParameter(
        description=description, schema_extra={"type": "string", "enum": list(values)}
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


# --- moments --------------------------------------------------------------------------------------


class Bound:
    """A moment from which or until which is listed, in UTC; `read` decodes it for Litestar."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    @classmethod
    def read(cls, stated: object) -> "Bound":
        """RFC 3339, or a date alone, which is its beginning; UTC unless it names an offset.

        The `+` of an offset that was not escaped arrives as a space. Raises `ValueError`.
        """
        text = _OFFSET.sub(r"\1+\2", str(stated))
        try:
            # a date and time as text: msgspec would take a number for seconds, too
            whole = f"{text}T00:00:00Z" if _DATE.fullmatch(text) else text
            return cls(in_utc_within_limits(msgspec.convert(whole, datetime)))
        except msgspec.ValidationError:
            raise ValueError(
                "must be a moment as in RFC 3339, e.g. 2026-03-02T12:00:00Z or "
                "2026-03-02T13:00:00%2B01:00, or a date alone"
            ) from None


_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_OFFSET = re.compile(r"(:\d{2}(?:\.\d+)?) (\d{2}:\d{2})$")


def moment(name: str, description: str) -> QueryParameter:
    """The parameter of a `Bound`."""
    return QueryParameter(
        name=name,
        description=f"{description}: RFC 3339, or a date alone",
        schema_extra={
            "one_of": None,
            "type": "string",
            "any_of": [
                Schema(format=OpenAPIFormat.DATE_TIME),
                Schema(format=OpenAPIFormat.DATE),
            ],
        },
    )


def between(after: Bound | None, before: Bound | None) -> Between | None:
    """The condition on `created_at`; None: there is none."""
    if after is None and before is None:
        return None
    return Between(since=after.at if after else None, until=before.at if before else None)


# --- guard ----------------------------------------------------------------------------------------


_CHOICES = ("status", "deep")
"""Optional words, for which Litestar would read `null` as none."""


def refuse_strange_parameters(
    connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler
) -> None:
    """The guard of every route: a misspelt filter would list everything.

    Litestar ignores parameters that it does not know, takes the last of several values, and reads
    `null` as no value. Raises `InvalidRequest`, which names them all.
    """
    scope = connection.scope
    if not scope["query_string"] or scope["type"] != ScopeType.HTTP:
        return
    known = None
    if not _is_lenient(handler):
        known = _parameters_of(connection.app, scope["path_template"], str(scope["method"]))
    if problems := [
        Problem(field=name, message=message, source="query")
        for name in connection.query_params
        if (message := _problem(known, name, connection.query_params.getall(name)))
    ]:
        raise InvalidRequest(*problems)


def _is_lenient(handler: BaseRouteHandler) -> bool:
    """Routes of other systems; and pages and public ones, which people open from a mail: mail
    programs extend the address. `exclude_from_auth` is Litestar's name for these.
    """
    return is_to_the_letter(handler) or not {"exclude_from_auth", "page"}.isdisjoint(handler.opt)


def _problem(known: Mapping[str, bool] | None, name: str, values: list[str]) -> str | None:
    if name in _CHOICES and "null" in values:
        return "null is no value here: leave it out, or use what the documentation says"
    if known is None:
        return None
    if name not in known:
        return f"is no parameter of this route; there is: {', '.join(sorted(known)) or 'none'}"
    if len(values) > 1 and not known[name]:
        return "must be given once"
    return None


@lru_cache(maxsize=500)
def _parameters_of(app: Litestar, path_template: str, method: str) -> Mapping[str, bool]:
    """The query parameters of a route and of its dependencies; true: it takes several values."""
    return {
        one.field_alias: one.is_sequence
        for route in app.routes
        if isinstance(route, HTTPRoute) and route.path_format == path_template
        for one in route.route_handler_map[HttpMethod(method)][1].expected_query_params
    }
