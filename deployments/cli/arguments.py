"""Values of options that are checked as the API checks them. Only click is imported until one is
given.
"""

import math
from typing import Any

import click


class Finite(click.FloatRange):
    """A number in a range; `nan` and `inf`, which Python parses as floats, are refused."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a number.", param, ctx)
        return number


class Limited(click.ParamType[str]):
    """A text as the type of this name in `blocks.contracts.reading.limits` wants it."""

    name = "TEXT"

    def __init__(self, limit: str) -> None:
        self.limit = limit

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        import msgspec

        from blocks.contracts.reading import limits

        try:
            return msgspec.convert(str(value), getattr(limits, self.limit), strict=True)  # type: ignore[no-any-return]
        except msgspec.ValidationError as error:
            self.fail(_in_words(str(error)), param, ctx)


def _in_words(error: str) -> str:
    if "matching regex" in error:
        return "it holds nothing to read, or a character that is not taken here."
    return f"{error[0].lower()}{error[1:]}.".replace("`str`", "a text")
