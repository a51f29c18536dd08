"""Money at the door, and the fee."""

import json
from contextlib import suppress
from decimal import Decimal, localcontext
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.contracts.claims.money import (
    CENTS_MAX,
    BadAmount,
    cents_of,
    currency_of,
    fee_of,
    json_number,
    units,
)


@pytest.mark.parametrize(
    ("amount", "cents"),
    [
        (1, 100),
        (12.5, 1250),
        (Decimal("0.01"), 1),
        (" 12 ", 1200),
        ("1e3", 100_000),
        ("12.5000", 1250),
        (Decimal("1E+3"), 100_000),
        (10**12, CENTS_MAX),
    ],
)
def test_an_amount_is_read_to_the_cent(amount: Any, cents: int) -> None:
    assert cents == cents_of(amount)


@pytest.mark.parametrize(
    "amount",
    [
        *(
            float("nan"),
            float("inf"),
            "NaN",
            "sNaN",
            "-Infinity",
            "",
            " ",
            "abc",
            "1_000",
            "٣",
            "1２",
        ),
        *(True, None, [], {}, 0, -0.0, "-0", -1, 0.001, "1e-300", 1e300, 10**5000, -(10**5000)),
        "1.0000000000000000000000000000000001",
        10**12 + 1,
        "1" * 41,
        0.1 + 0.2,
    ],
    ids=lambda amount: repr(amount)[:20] if not isinstance(amount, int) else f"int-{amount > 0}",
)
def test_what_is_no_amount_is_refused(amount: Any) -> None:
    with pytest.raises(BadAmount):
        cents_of(amount)


@given(st.integers(1, CENTS_MAX))
def test_what_is_shown_of_cents_reads_as_the_same_cents(cents: int) -> None:
    assert cents == cents_of(units(cents)) == cents_of(Decimal(units(cents)))


@given(st.text() | st.floats() | st.integers() | st.decimals() | st.booleans() | st.none())
def test_any_value_is_an_amount_or_refused(value: Any) -> None:
    with suppress(BadAmount):
        assert 0 < cents_of(value) <= CENTS_MAX


@given(st.integers(0, CENTS_MAX), st.decimals(0, 100, places=2))
def test_a_fee_is_the_nearest_cent_and_never_above_the_amount(cents: int, percent: Decimal) -> None:
    fee = fee_of(cents, percent)

    assert 0 <= fee <= cents
    # Half up, in whole numbers: percent has two places.
    assert (cents * int(percent * 100) + 5_000) // 10_000 == fee


@pytest.mark.parametrize(
    ("cents", "percent", "fee"),
    [
        (1, "20", 0),
        (2, "20", 0),
        (3, "20", 1),
        (12, "12.5", 2),  # 1.5
        (1, "50", 1),  # 0.5
        (1, "49.9999", 0),
        (CENTS_MAX, "100", CENTS_MAX),
        (CENTS_MAX - 1, "99.9999", CENTS_MAX - 1 - 10**8),
        (10_000, "0", 0),
    ],
)
def test_half_a_cent_is_a_cent(cents: int, percent: str, fee: int) -> None:
    assert fee == fee_of(cents, Decimal(percent))


def test_a_fee_does_not_depend_on_the_precision_that_others_set() -> None:
    with localcontext() as context:
        context.prec = 3
        assert 24_691 == fee_of(123_456, Decimal(20))


@given(st.integers(1, CENTS_MAX))
def test_a_json_number_reads_as_the_same_cents_in_any_reader(cents: int) -> None:
    sent = msgspec.json.encode(json_number(cents))

    assert cents == cents_of(json.loads(sent)) == cents_of(Decimal(sent.decode()))
    assert sent == msgspec.json.encode(json_number(cents_of(json.loads(sent))))


def test_what_is_deducted_is_shown_with_its_sign() -> None:
    assert ["-0.01", "-12.50", "0.00"] == [units(cents) for cents in (-1, -1250, 0)]


def test_a_fee_of_more_than_everything_is_everything() -> None:
    assert (250, 0) == (fee_of(250, Decimal(900)), fee_of(250, Decimal(-1)))


def test_currencies_are_read_in_any_case() -> None:
    assert ["usd", "usd", "eur", "cad"] == [currency_of(one) for one in (None, "", "EUR", " Cad ")]
    others: tuple[Any, ...] = ("chf", "us", 3, [], " ")
    for other in others:
        with pytest.raises(BadAmount):
            currency_of(other)
