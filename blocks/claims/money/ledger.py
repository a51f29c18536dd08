"""The ledger as it is read: the line of one claim, and sums of many, each currency for itself."""

from collections import defaultdict
from collections.abc import Collection, Sequence

import msgspec

from blocks.contracts import ids
from blocks.contracts.claims.money import CURRENCIES, Currency
from blocks.contracts.records.claims import FeeRecord
from blocks.ports import NotFound, RecordStore
from blocks.queries import every

_JOURNEYS_AT_ONCE = 50
"""In one condition of a query."""


class LedgerTotal(msgspec.Struct, frozen=True, kw_only=True):
    """Sums in one currency, in cents. `amount_cents` is always fees and payout together."""

    currency: Currency
    claims: int
    amount_cents: int
    fee_cents: int
    payout_cents: int
    charged_cents: int
    """Of the fees, what the payment service has confirmed."""


async def read_fee(store: RecordStore, tenant_id: str, claim_key: str) -> FeeRecord | None:
    """The claim's line; None: no fee was ever intended."""
    try:
        return (await store.read(tenant_id, FeeRecord, ids.fee_id(claim_key))).record
    except NotFound:
        return None


async def ledger_totals(
    store: RecordStore, tenant_id: str, execution_ids: Collection[str]
) -> list[LedgerTotal]:
    """What these journeys' claims brought in, one total a currency, in the order of `CURRENCIES`.

    A line stays with the journey that its claim belonged to when the fee was intended: name the
    journeys that have joined, too (`ClaimRecord.joined_from`).
    """
    lines: dict[Currency, list[FeeRecord]] = defaultdict(list)
    wanted = list(dict.fromkeys(execution_ids))
    for start in range(0, len(wanted), _JOURNEYS_AT_ONCE):
        of_these = {"execution_id": tuple(wanted[start : start + _JOURNEYS_AT_ONCE])}
        async for stored in every(store, tenant_id, FeeRecord, of_these):
            lines[stored.record.currency].append(stored.record)
    return [_total(currency, lines[currency]) for currency in CURRENCIES if lines[currency]]


def _total(currency: Currency, lines: Sequence[FeeRecord]) -> LedgerTotal:
    return LedgerTotal(
        currency=currency,
        claims=len(lines),
        amount_cents=sum(line.amount_cents for line in lines),
        fee_cents=sum(line.fee_cents for line in lines),
        payout_cents=sum(line.payout_cents for line in lines),
        charged_cents=sum(line.fee_cents for line in lines if line.status == "charged"),
    )
