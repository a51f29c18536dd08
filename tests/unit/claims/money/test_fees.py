"""The fee of a claim: how much, and once, whatever is repeated, concurrent or lost."""

import asyncio
import os
import subprocess
import sys
from decimal import ROUND_FLOOR, Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.adapters.sqlite.record_store import SqliteRecordStore
from blocks.claims.money.fees import FeeMismatch, charge_fee
from blocks.claims.money.ledger import ledger_totals, read_fee
from blocks.contracts import ids
from blocks.contracts.claims.money import CENTS_MAX, CURRENCIES, BadAmount, Currency, fee_of
from blocks.contracts.records.claims import FeeRecord
from blocks.ports import RecordStore, Unavailable
from blocks.processes import fault_points
from blocks.settings import BadSetting, load_settings
from tests.support.factories import A_TENANT, ANOTHER_TENANT
from tests.support.payouts.payments import RememberedPayments, a_claim
from tests.support.stores import FailingStore

TWENTY = Decimal(20)
AMOUNTS = st.integers(min_value=1, max_value=CENTS_MAX)
PERCENTS = st.decimals(min_value=0, max_value=100, places=4)


@given(amount=AMOUNTS, percent=PERCENTS)
def test_a_fee_is_rounded_half_up_and_never_above_the_amount(amount: int, percent: Decimal) -> None:
    exact = Decimal(amount) * percent / 100

    fee = fee_of(amount, percent)

    assert (exact + Decimal("0.5")).to_integral_value(ROUND_FLOOR) == fee
    assert 0 <= fee <= amount


@given(amount=AMOUNTS, percent=PERCENTS, currency=st.sampled_from(CURRENCIES))
async def test_fee_and_payout_are_the_amount(
    amount: int, percent: Decimal, currency: Currency
) -> None:
    payments = RememberedPayments()
    with TemporaryDirectory() as folder:
        async with SqliteRecordStore(Path(folder) / "records.db") as store:
            fee = await charge_fee(store, payments, a_claim(), amount, currency, percent)

    charged = sum(charge.fee_cents or 0 for charge in payments.charges.values())
    assert ("charged", currency, amount) == (fee.status, fee.currency, fee.amount_cents)
    assert amount == fee.fee_cents + fee.payout_cents
    assert fee.fee_cents == charged
    assert percent == Decimal(fee.fee_percent)


async def test_fifty_calls_at_once_charge_once(store: RecordStore) -> None:
    claim, payments = a_claim(), RememberedPayments()

    fees = await asyncio.gather(
        *(charge_fee(store, payments, claim, 10_050, "usd", TWENTY) for _ in range(50))
    )

    assert 1 == len(payments.charges)
    assert {("ch-1", 2_010, 8_040)} == {
        (fee.charge_id, fee.fee_cents, fee.payout_cents) for fee in fees
    }
    assert 1 == await store.count(A_TENANT, FeeRecord)


async def test_a_fee_that_is_charged_is_not_asked_for_again(store: RecordStore) -> None:
    claim, payments = a_claim(), RememberedPayments()

    first = await charge_fee(store, payments, claim, 10_000, "usd", TWENTY)
    again = await charge_fee(store, payments, claim, 10_000, "usd", TWENTY)

    assert first == again
    assert 1 == len(payments.asked)


async def test_the_first_amount_counts(
    store: RecordStore, caplog: pytest.LogCaptureFixture
) -> None:
    claim, payments = a_claim(), RememberedPayments()
    payments.failures = [Unavailable("no answer")]
    with pytest.raises(Unavailable):
        await charge_fee(store, payments, claim, 10_000, "usd", TWENTY)

    fee = await charge_fee(store, payments, claim, 99_900, "eur", Decimal(30))

    assert (10_000, "usd", "20", 2_000, 2) == (
        fee.amount_cents,
        fee.currency,
        fee.fee_percent,
        fee.fee_cents,
        fee.attempts,
    )
    assert [2_000] == [charge.fee_cents for charge in payments.charges.values()]
    assert "the fee of 100.00 USD counts, that of 999.00 EUR came later" in caplog.text


async def test_an_answer_that_got_lost_is_asked_for_under_the_same_key(store: RecordStore) -> None:
    claim, payments = a_claim(), RememberedPayments()
    payments.failures = [Unavailable("no answer"), Unavailable("no answer")]

    for _ in range(2):
        with pytest.raises(Unavailable):
            await charge_fee(store, payments, claim, 10_000, "usd", TWENTY)
        known = await read_fee(store, A_TENANT, claim.id)
        assert known is not None
        assert "intended" == known.status
    fee = await charge_fee(store, payments, claim, 10_000, "usd", TWENTY)

    assert ("charged", 3, "ch-1") == (fee.status, fee.attempts, fee.charge_id)
    assert {ids.fee_id(claim.id)} == {one["key"] for one in payments.asked}
    assert 1 == len(payments.charges)


@pytest.mark.parametrize(("amount", "percent"), [(10_000, "0"), (2, "20")])
async def test_a_fee_of_nothing_charges_nothing(
    store: RecordStore, amount: int, percent: str
) -> None:
    payments = RememberedPayments()

    fee = await charge_fee(store, payments, a_claim(), amount, "gbp", Decimal(percent))

    assert ("charged", None, 0, amount) == (
        fee.status,
        fee.charge_id,
        fee.fee_cents,
        fee.payout_cents,
    )
    assert [] == payments.asked


async def test_without_a_line_in_the_ledger_nothing_is_charged() -> None:
    payments = RememberedPayments()

    with pytest.raises(Unavailable):
        await charge_fee(
            FailingStore(Unavailable("down")), payments, a_claim(), 10_000, "usd", TWENTY
        )

    assert [] == payments.asked


@pytest.mark.parametrize(
    ("amount", "currency", "percent"),
    [
        (0, "usd", "20"),
        (-1, "usd", "20"),
        (CENTS_MAX + 1, "usd", "20"),
        (True, "usd", "20"),
        (12.5, "usd", "20"),
        (100, "jpy", "20"),
        (100, "usd", "-1"),
        (100, "usd", "101"),
        (100, "usd", "NaN"),
    ],
)
async def test_what_is_no_money_is_not_written_down(
    store: RecordStore, amount: Any, currency: Any, percent: str
) -> None:
    with pytest.raises(BadAmount):
        await charge_fee(store, RememberedPayments(), a_claim(), amount, currency, Decimal(percent))

    assert 0 == await store.count(A_TENANT, FeeRecord)


@pytest.mark.parametrize("percent", ["101", "100.0001", "-1", "1e1", "NaN", "20,5", "0.00001", "x"])
def test_a_percentage_that_is_none_stops_the_process_at_its_start(percent: str) -> None:
    with pytest.raises(BadSetting, match=r"fee_percent|PLATFORM_FEE_PERCENTAGE"):
        load_settings({"PLATFORM_FEE_PERCENTAGE": percent})


@pytest.mark.parametrize("percent", ["0", "20", "12.5", "33.3333", "100", "100.0000"])
def test_a_percentage_has_at_most_four_decimals(percent: str) -> None:
    assert percent == load_settings({"PLATFORM_FEE_PERCENTAGE": percent}).claims.fee_percent


async def test_two_charges_under_one_key_are_for_a_person(store: RecordStore) -> None:
    class Forgetful(RememberedPayments):
        """Charges once more while the first charge is under way."""

        async def charge(self, **asked: Any) -> Any:
            if not self.asked:
                self.asked.append(asked)
                await charge_fee(store, self, a_claim(), 100, "usd", TWENTY)
            return await super().charge(**{**asked, "key": f"{len(self.asked)}"})

    with pytest.raises(FeeMismatch, match="two charges under one key, ch-1 and ch-2"):
        await charge_fee(store, Forgetful(), a_claim(), 100, "usd", TWENTY)

    fee = await read_fee(store, A_TENANT, a_claim().id)
    assert fee
    assert ("mismatched", "ch-1") == (fee.status, fee.charge_id)


async def test_totals_are_summed_for_each_currency_of_the_journeys(store: RecordStore) -> None:
    payments = RememberedPayments()
    journey, other = ids.journey_id(A_TENANT, "ann", "s"), ids.journey_id(A_TENANT, "ann", "t")
    owed: list[tuple[int, Currency, str]] = [
        (10_000, "usd", journey),
        (5, "usd", other),
        (333, "cad", journey),
        (7_000, "usd", "x"),
    ]
    for number, (amount, currency, of) in enumerate(owed):
        claim = a_claim(f"clm-{number}", execution_id=of)
        await charge_fee(store, payments, claim, amount, currency, TWENTY)
    payments.failures = [Unavailable("no answer")]
    with pytest.raises(Unavailable):
        await charge_fee(store, payments, a_claim("late", execution_id=journey), 100, "usd", TWENTY)

    usd, cad = await ledger_totals(store, A_TENANT, [journey, other, journey])

    assert ("usd", 3, 10_105, 2_021, 8_084, 2_001) == (
        usd.currency,
        usd.claims,
        usd.amount_cents,
        usd.fee_cents,
        usd.payout_cents,
        usd.charged_cents,
    )
    assert ("cad", 333, 67, 266) == (
        cad.currency,
        cad.amount_cents,
        cad.fee_cents,
        cad.payout_cents,
    )
    assert [] == await ledger_totals(store, ANOTHER_TENANT, [journey])
    assert [] == await ledger_totals(store, A_TENANT, [])


_PROGRAM = """
import asyncio, json, sys
from decimal import Decimal
from pathlib import Path
from blocks.adapters.sqlite.record_store import SqliteRecordStore
from blocks.claims.money.fees import charge_fee
from tests.support.payouts.payments import RememberedPayments, a_claim

class OnDisk(RememberedPayments):
    async def charge(self, **asked):
        with Path(sys.argv[1], "charges").open("a") as file:
            file.write(asked["key"] + "\\n")
        return await super().charge(**asked)

async def main():
    async with SqliteRecordStore(Path(sys.argv[1], "records.db")) as store:
        await charge_fee(store, OnDisk(), a_claim(), 10_000, "usd", Decimal(20))

asyncio.run(main())
"""


@pytest.mark.parametrize("point", fault_points.OF_A_FEE)
async def test_a_process_that_dies_on_the_way_leaves_a_fee_that_is_charged_once(
    point: str, tmp_path: Path
) -> None:
    died = _run(tmp_path, FAULT_POINT=point)
    finished = _run(tmp_path)

    async with SqliteRecordStore(tmp_path / "records.db") as store:
        fee = await read_fee(store, A_TENANT, a_claim().id)
    assert (-9, 0) == (died, finished)
    assert fee is not None
    assert "charged" == fee.status
    keys = (tmp_path / "charges").read_text().split()
    assert {fee.idempotency_key} == set(keys)


def _run(folder: Path, **environment: str) -> int:
    command = [sys.executable, "-c", _PROGRAM, str(folder)]
    return subprocess.run(command, env={**os.environ, **environment}, check=False).returncode
