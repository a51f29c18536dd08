"""Money: whole cents behind the door, Decimal at it, never a float.

The fee is a percentage of the amount, rounded half up to a cent, and never above the amount.
Source: the platform's fee rules.
"""

from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any, Literal, cast, get_args

Currency = Literal["usd", "eur", "gbp", "cad"]
CURRENCIES: tuple[Currency, ...] = get_args(Currency)

CENTS_MAX = 10**14
"""A trillion: more is a mistake, and any sum of such amounts is still an exact JSON number."""

_TEXT_MAX = 40


class BadAmount(ValueError):
    """It is no amount of money; the message says why, for the caller."""


def cents_of(amount: Any) -> int:
    """The whole cents of an amount in units (`12.5` is 1250): a JSON number or its text.

    Decode JSON with `float_hook=Decimal`: a float has lost what the caller wrote. Raises
    `BadAmount` for what is negative, zero, no finite number, finer than a cent, or too large.
    """
    if isinstance(amount, bool) or not isinstance(amount, int | float | Decimal | str):
        raise BadAmount("amount must be a number")
    text = str(amount).strip()
    if len(text) > _TEXT_MAX:
        raise BadAmount("amount must be a number")
    try:
        units = Decimal(text)
    except InvalidOperation:
        raise BadAmount("amount must be a number") from None
    if not units.is_finite():
        raise BadAmount("amount must be a number")
    if units <= 0:
        raise BadAmount("amount must be greater than 0")
    if units > CENTS_MAX // 100:
        raise BadAmount(f"amount must be at most {CENTS_MAX // 100}")
    cents = units * 100
    if cents != cents.to_integral_value():
        raise BadAmount("amount must have at most two decimals")
    return int(cents)


def currency_of(value: Any) -> Currency:
    """A currency in any case; None and an empty text mean US dollars. Raises `BadAmount`."""
    if value in (None, ""):
        return "usd"
    lower = value.strip().lower() if isinstance(value, str) else value
    if lower not in CURRENCIES:
        raise BadAmount(f"currency must be one of {', '.join(CURRENCIES)}")
    return cast(Currency, lower)


def fee_of(amount_cents: int, percent: Decimal) -> int:
    """The fee in whole cents: `percent` of the amount, half up, from 0 to the amount."""
    exact = Decimal(amount_cents) * percent / 100
    rounded = int(exact.quantize(Decimal(1), rounding=ROUND_HALF_UP))
    return max(0, min(rounded, amount_cents))


def units(cents: int) -> str:
    """For people and for services that take units: `1250` is "12.50"."""
    return f"{cents // 100}.{cents % 100:02d}"
