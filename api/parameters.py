"""Optional query parameters, described as what a query can hold: Litestar would add `null`, which no query can."""

from collections.abc import Sequence

from litestar.params import QueryParameter


def text(description: str, *, max_length: int = 200) -> QueryParameter:
    """A text that is not empty."""
    return QueryParameter(
        description=description,
        min_length=1,
        max_length=max_length,
        schema_extra={"one_of": None, "type": "string"},
    )


def one_of(values: Sequence[str], description: str) -> QueryParameter:
    """One of these words."""
    return QueryParameter(description=description, schema_extra={"type": "string", "enum": list(values)})
