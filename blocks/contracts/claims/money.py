"""Money: whole cents behind the door, Decimal at it, never a float.

The fee is a percentage of the amount, rounded half up to a cent, and never above the amount.
Source: the platform's fee rules.
"""

import re
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any, Literal, cast, get_args

Currency = Literal["usd", "eur", "gbp", "cad"]
CURRENCIES: tuple[Currency, ...] = get_args(Currency)

CENTS_MAX = 10**14
"""A trillion: more is a mistake, and any sum of such amounts is still an exact JSON number."""

_TEXT_MAX = 40

# Decimal itself also reads other scripts' digits and "1_000".
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,9})?")

_EXACT = Context(prec=_TEXT_MAX + 2)
"""Holds every digit of a text that long: the usual context would round a fraction of a cent off."""


class BadAmount(ValueError):
    """It is no amount of money; the message says why, for the caller."""


def cents_of(amount: Any) -> int:
    """The whole cents of an amount in units (`12.5` is 1250): a JSON number or its text.

    Decode JSON with `float_hook=Decimal`: a float has lost what the caller wrote. Raises
    `BadAmount` for what is negative, zero, no finite number, finer than a cent, or too large.
    """
    if isinstance(amount, bool) or not isinstance(amount, int | float | Decimal | str):
        raise BadAmount("amount must be a number")
    if isinstance(amount, int):  # before its text, which Python refuses to write from 4,300 digits
        amount = max(-1, min(amount, CENTS_MAX))
    text = str(amount).strip()
    if len(text) > _TEXT_MAX or not _NUMBER.fullmatch(text):
        raise BadAmount("amount must be a number")
    units = Decimal(text)
    if units <= 0:
        raise BadAmount("amount must be greater than 0")
    if units > CENTS_MAX // 100:
        raise BadAmount(f"amount must be at most {CENTS_MAX // 100}")
    cents = _EXACT.multiply(units, Decimal(100))
    if cents != cents.to_integral_value():
        raise BadAmount("amount must have at most two decimals")
    return int(cents)


def currency_of(value: Any) -> Currency:
    """A currency in any case; None and an empty text mean US dollars. Raises `BadAmount`.

    Source of the default: the platform's table of payouts (`payout_monitoring.currency`).
    """
    if value in (None, ""):
        return "usd"
    lower = value.strip().lower() if isinstance(value, str) else value
    if lower not in CURRENCIES:
        raise BadAmount(f"currency must be one of {', '.join(CURRENCIES)}")
    return cast(Currency, lower)


def fee_of(amount_cents: int, percent: Decimal) -> int:
    """The fee in whole cents: `percent` of the amount, half up, from 0 to the amount."""
    exact = _EXACT.multiply(Decimal(amount_cents), percent).scaleb(-2, _EXACT)
    rounded = int(exact.quantize(Decimal(1), ROUND_HALF_UP, _EXACT))
    return max(0, min(rounded, amount_cents))


def units(cents: int) -> str:
    """For people and for services that take units: `1250` is "12.50"."""
    return f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02d}"


def json_number(cents: int) -> int | float:
    """Units for those whose contract is a plain JSON number: its text is the amount to the cent.

    A double keeps fifteen digits, which `CENTS_MAX` has. Whole units are integers: Cosmos DB
    returns 100.0 as 100, and a line that is written again has to be the same.
    """
    return cents // 100 if cents % 100 == 0 else float(units(cents))
