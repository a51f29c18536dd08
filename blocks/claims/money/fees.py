"""The ledger: a claim has one fee, written down before the charge and settled after it.

The line's id is also the Idempotency-Key of the charge, and the first amount counts: whatever is
repeated, concurrent or killed in between, the payment service is only ever asked for one and the
same charge. What it answers has to be what the ledger has; otherwise the line is `mismatched`, and
nothing more is asked for until a person has decided (`blocks.claims.money.fee_decisions`).
"""

import logging
from decimal import Decimal
from typing import Protocol

from msgspec.structs import replace

from blocks.claims.asking.charges import Charge
from blocks.claims.money.fee_differences import differences
from blocks.clock import utc_now
from blocks.contracts import ids
from blocks.contracts.claims.money import CENTS_MAX, CURRENCIES, BadAmount, Currency, fee_of, units
from blocks.contracts.records.claims import ClaimRecord, FeeRecord
from blocks.observability.metrics import claims as metrics
from blocks.ports import AlreadyExists, RecordStore, Stored
from blocks.processes import fault_points
from blocks.updates import update_known

log = logging.getLogger(__name__)


class FeeMismatch(Exception):
    """What was charged is not known to be what the ledger has; a person has to decide."""

    def __init__(self, fee: FeeRecord) -> None:
        super().__init__(f"the charge is not what the ledger has: {fee.mismatch}")
        self.fee = fee


class PaymentService(Protocol):
    """The service that charges fees. Under one `key` it charges once, however often it is asked."""

    async def charge(
        self,
        *,
        user_id: str,
        claim_id: str,
        amount_cents: int,
        fee_cents: int,
        currency: Currency,
        key: str,
    ) -> Charge:
        """What was charged, now or at an earlier call, as the service states it. Raises if it did
        not answer, or declined.
        """
        ...


async def charge_fee(
    store: RecordStore,
    services: PaymentService,
    claim: ClaimRecord,
    amount_cents: int,
    currency: Currency,
    percent: Decimal,
) -> FeeRecord:
    """The claim's fee, charged: of the amount that the first call named, which later ones repeat.

    A fee of 0 is settled without a charge. What the payment service raises passes, the line stays
    `intended`, and the next call asks again under the same key. Raises `FeeMismatch`, now and at
    every later call, without asking again, if it answered anything but this fee. Raises
    `BadAmount`, before anything is written, for what is no amount, currency or percentage.
    """
    _check(amount_cents, currency, percent)
    line = await _intend(store, _line(claim, amount_cents, currency, percent))
    if _is_charged(line.record):
        return line.record
    fault_points.reached("after-fee-intended")
    if line.record.fee_cents == 0:
        return await _settle(store, line, Charge())
    line = await _count_attempt(store, line)
    fee = line.record
    if _is_charged(fee):
        return fee
    charge = await services.charge(
        user_id=fee.user_id,
        claim_id=fee.claim_id,
        amount_cents=fee.amount_cents,
        fee_cents=fee.fee_cents,
        currency=fee.currency,
        key=fee.idempotency_key,
    )
    fault_points.reached("after-fee-charged")
    return await _settle(store, line, charge, differences(fee, charge))


def _check(amount_cents: int, currency: Currency, percent: Decimal) -> None:
    if not isinstance(amount_cents, int) or isinstance(amount_cents, bool):
        raise BadAmount("amount must be whole cents")
    if not 0 < amount_cents <= CENTS_MAX:
        raise BadAmount(f"amount must be from 1 to {CENTS_MAX} cents")
    if currency not in CURRENCIES:
        raise BadAmount(f"currency must be one of {', '.join(CURRENCIES)}")
    if not (percent.is_finite() and 0 <= percent <= 100):
        raise BadAmount("the fee must be from 0 to 100 percent")


def _line(claim: ClaimRecord, amount_cents: int, currency: Currency, percent: Decimal) -> FeeRecord:
    fee_cents, id = fee_of(amount_cents, percent), ids.fee_id(claim.id)
    return FeeRecord(
        id=id,
        tenant_id=claim.tenant_id,
        created_at=utc_now(),
        claim_key=claim.id,
        claim_id=claim.claim_id,
        user_id=claim.user_id,
        execution_id=claim.execution_id,
        amount_cents=amount_cents,
        currency=currency,
        fee_percent=f"{percent:f}",
        fee_cents=fee_cents,
        payout_cents=amount_cents - fee_cents,
        idempotency_key=id,
    )


def _is_charged(fee: FeeRecord) -> bool:
    """Raises `FeeMismatch` for one that nothing may be asked for."""
    if fee.status == "mismatched":
        raise FeeMismatch(fee)
    return fee.status == "charged"


async def _intend(store: RecordStore, wanted: FeeRecord) -> Stored[FeeRecord]:
    """The claim's line of the ledger: this one, unless there was one before."""
    try:
        return await store.create(wanted.tenant_id, wanted)
    except AlreadyExists:
        known = await store.read(wanted.tenant_id, FeeRecord, wanted.id)
    if _amount(known.record) != _amount(wanted):
        log.warning(
            "claim %s: the fee of %s counts, that of %s came later",
            wanted.claim_id,
            _amount(known.record),
            _amount(wanted),
        )
    return known


def _amount(fee: FeeRecord) -> str:
    return f"{units(fee.amount_cents)} {fee.currency.upper()}"


async def _count_attempt(store: RecordStore, line: Stored[FeeRecord]) -> Stored[FeeRecord]:
    """One more time that the payment service is asked, unless the line is decided by now."""

    async def counted(stored: Stored[FeeRecord]) -> Stored[FeeRecord]:
        fee = stored.record
        if fee.status != "intended":
            return stored
        return await store.replace(
            fee.tenant_id, stored.etag, replace(fee, attempts=fee.attempts + 1)
        )

    return await update_known(store, line, counted)


async def _settle(
    store: RecordStore, line: Stored[FeeRecord], charge: Charge, differing: str | None = None
) -> FeeRecord:
    """The line is `charged`. Raises `FeeMismatch`: it is `mismatched`, by this answer or by one
    before; that of a line which another answer has settled counts, too.
    """

    async def settled(stored: Stored[FeeRecord]) -> FeeRecord:
        fee = stored.record
        wrong = differing or _other_charge(fee, charge)
        if fee.status == "mismatched" or (fee.status == "charged" and not wrong):
            return fee
        after = _mismatched(fee, wrong, charge) if wrong else _charged(fee, charge)
        return (await store.replace(fee.tenant_id, stored.etag, after)).record

    fee = await update_known(store, line, settled)
    if fee.status == "mismatched":
        metrics.FEES_MISMATCHED.inc()
        log.error("claim %s: the fee is not what was charged: %s", fee.claim_id, fee.mismatch)
        raise FeeMismatch(fee)
    fault_points.reached("after-fee-settled")
    return fee


def _other_charge(fee: FeeRecord, charge: Charge) -> str | None:
    """Why the answer to a line that is settled is none of that charge."""
    if fee.status != "charged" or fee.charge_id == charge.id:
        return None
    return f"two charges under one key, {fee.charge_id} and {charge.id}"


def _charged(fee: FeeRecord, charge: Charge) -> FeeRecord:
    return replace(fee, status="charged", charge_id=charge.id, charged_at=utc_now())


def _mismatched(fee: FeeRecord, wrong: str, charge: Charge) -> FeeRecord:
    return replace(
        fee,
        status="mismatched",
        charge_id=fee.charge_id or charge.id,
        mismatch=wrong,
        mismatched_at=utc_now(),
    )
