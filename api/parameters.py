"""Optional query parameters and headers, as what these can hold: Litestar would add `null`, which neither can."""

from collections.abc import Sequence
from datetime import UTC, datetime

from litestar.params import HeaderParameter, QueryParameter


def text(description: str, *, name: str | None = None, max_length: int = 200) -> QueryParameter:
    """A text that is not empty."""
    return QueryParameter(
        name=name,
        description=description,
        min_length=1,
        max_length=max_length,
        schema_extra={"one_of": None, "type": "string"},
    )


def header(name: str, description: str, *, max_length: int = 200) -> HeaderParameter:
    """A text in a header."""
    return HeaderParameter(
        name=name,
        description=description,
        max_length=max_length,
        schema_extra={"one_of": None, "type": "string"},
    )


def moment(name: str, description: str) -> QueryParameter:
    """A date and time; see `in_utc`."""
    return QueryParameter(
        name=name, description=description, schema_extra={"one_of": None, "type": "string", "format": "date-time"}
    )


def in_utc(moment: datetime | None) -> datetime | None:
    """The moment; one that came without a time zone is taken for UTC."""
    return moment.replace(tzinfo=UTC) if moment and moment.tzinfo is None else moment


def one_of(values: Sequence[str], description: str) -> QueryParameter:
    """One of these words."""
    return QueryParameter(description=description, schema_extra={"type": "string", "enum": list(values)})
