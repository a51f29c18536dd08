"""Whether what the payment service states is the fee that the ledger has; pure."""

from collections.abc import Iterator
from typing import Any

from blocks.claims.asking.charges import Charge
from blocks.contracts.claims.money import units
from blocks.contracts.reading.uuids import matching_id
from blocks.contracts.records.claims import FeeRecord

_WORDS = {
    "id": "the charge's id",
    "fee_cents": "the fee",
    "currency": "the currency",
    "amount_cents": "the amount",
    "user_id": "the user",
    "claim_id": "the claim",
    "key": "the key",
}


def differences(fee: FeeRecord, charge: Charge) -> str | None:
    """What differs, in one line; None: the charge is the fee's.

    The charge's id, the fee and its currency must be stated; amount, user, claim and key must be
    the ledger's if they are.
    """
    return "; ".join(_found(fee, charge)) or None


def _found(fee: FeeRecord, charge: Charge) -> Iterator[str]:
    for name in charge.unreadable:
        yield f"{_WORDS.get(name, name)} is not readable"
    for name in ("id", "fee_cents", "currency"):
        if getattr(charge, name) is None and name not in charge.unreadable:
            yield f"{_WORDS[name]} is not stated"
    for name, stated, known in _pairs(fee, charge):
        if stated is not None and stated != known:
            yield f"{_WORDS[name]} is {_text(stated)}, not {_text(known)}"


def _pairs(fee: FeeRecord, charge: Charge) -> Iterator[tuple[str, Any, Any]]:
    yield "fee_cents", charge.fee_cents, fee.fee_cents
    yield "currency", charge.currency, fee.currency
    yield "amount_cents", charge.amount_cents, fee.amount_cents
    yield "user_id", charge.user_id and matching_id(charge.user_id), matching_id(fee.user_id)
    yield "claim_id", charge.claim_id and matching_id(charge.claim_id), matching_id(fee.claim_id)
    yield "key", charge.key, fee.idempotency_key


def _text(value: int | str) -> str:
    return units(value) if isinstance(value, int) else value
