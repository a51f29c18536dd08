"""Numbers as other systems write them: read where there is no doubt, else a reason
why not; pure.
"""

import math
import re
from typing import Any

_PLAIN = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,4})?")
_POINT_MAY_GROUP = re.compile(r"[+-]?[1-9][0-9]{0,2}\.[0-9]{3}")
"""`1.234` is a decimal in some countries, and a thousand and more in others."""
_COMMA_GROUPS = re.compile(r"[+-]?[1-9][0-9]{0,2}((,[0-9]{3}){2,}|(,[0-9]{3})+\.[0-9]+)")
_POINT_GROUPS = re.compile(r"[+-]?[1-9][0-9]{0,2}((\.[0-9]{3}){2,}|(\.[0-9]{3})+,[0-9]+)")
_TEXT_MAX = 60


class Unreadable(Exception):
    """It is no number, or not without doubt; the message is the reason, for a business person."""


def read_number(value: Any) -> int | float:
    """The finite number in a JSON number or a text. Raises `Unreadable`; true and false are no
    numbers.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise Unreadable(f"{shown(value)} is not a number")
    if isinstance(value, str):
        return _in_text(value.strip())
    return _bounded(value, shown(value))


def is_number(value: Any) -> bool:
    """Whether `read_number` reads it."""
    try:
        read_number(value)
    except Unreadable:
        return False
    return True


def shown(value: Any) -> str:
    """The value, short and printable, for a sentence to a person."""
    match value:
        case str():
            text = value if len(value) <= _TEXT_MAX else value[:_TEXT_MAX] + "…"
            return '"' + "".join(one if one.isprintable() else "?" for one in text) + '"'
        case dict():
            return "an object"
        case list() | tuple():
            return "a list"
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case int() if value.bit_length() > 256:
            return "a number of more than 70 digits"
    return str(value)


def _in_text(text: str) -> int | float:
    if len(text) > _TEXT_MAX:
        raise Unreadable(f"{shown(text)} is not a number")
    if _POINT_MAY_GROUP.fullmatch(text):
        raise Unreadable(f"{shown(text)} may be a decimal or thousands")
    if _PLAIN.fullmatch(text):
        return _parsed(text, text)
    if _COMMA_GROUPS.fullmatch(text):
        return _parsed(text.replace(",", ""), text)
    if _POINT_GROUPS.fullmatch(text):
        return _parsed(text.replace(".", "").replace(",", "."), text)
    raise Unreadable(f"{shown(text)} cannot be read as a number without doubt")


def _parsed(digits: str, text: str) -> int | float:
    return _bounded(int(digits) if digits.lstrip("+-").isdigit() else float(digits), shown(text))


def _bounded(number: int | float, text: str) -> int | float:
    try:
        finite = math.isfinite(number)
    except OverflowError:
        finite = False
    if not finite:
        raise Unreadable(f"{text} is beyond every number that can be compared")
    return number
