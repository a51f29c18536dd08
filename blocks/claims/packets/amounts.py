"""Amounts as people read them."""

from blocks.contracts.claims.money import Currency, units

SYMBOLS: dict[Currency, str] = {"usd": "$", "eur": "€", "gbp": "£", "cad": "CA$"}


def shown(cents: int, currency: Currency) -> str:
    """`123456` US cents are "$1,234.56"; a deduction has its sign before the symbol."""
    whole, _, rest = units(abs(cents)).partition(".")
    return f"{'−' if cents < 0 else ''}{SYMBOLS[currency]}{int(whole):,}.{rest}"


def percent_shown(percent: str) -> str:
    """As the ledger holds it, without zeros at its end: "20.00" is "20 %"."""
    return f"{percent.rstrip('0').rstrip('.') if '.' in percent else percent} %"
