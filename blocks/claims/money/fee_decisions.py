"""What a person decides about a fee that is `mismatched`.

Contract: whoever decides has looked into the payment service's books. Either decision requests
phase 7 once more, with the trigger that it had, so that the claim goes on; and the same decision,
made again after a crash, requests what the first had left undone.
"""

from collections.abc import Callable

from msgspec.structs import replace

from blocks.claims import triggers
from blocks.claims.money.ledger import read_fee
from blocks.clock import utc_now
from blocks.contracts import ids
from blocks.contracts.records.claims import FeeRecord, PhaseRecord
from blocks.ports import EventBus, NotFound, RecordStore, Stored
from blocks.updates import update

MISMATCH_CODE = "fee-mismatch"
"""Of a phase that failed by such a fee."""


class NotMismatched(Exception):
    """There is nothing to decide about the fee; the message names its status."""


async def confirm_charge(
    store: RecordStore, bus: EventBus, tenant_id: str, claim_key: str, charge_id: str, actor: str
) -> FeeRecord:
    """The ledger's fee is charged, by this charge: what differed was put right, or was no fault.

    Raises `NotFound`, `NotMismatched`.
    """
    return await _decide(
        store,
        bus,
        tenant_id,
        claim_key,
        actor,
        decided=lambda fee: replace(
            fee, status="charged", charge_id=charge_id, charged_at=utc_now()
        ),
        is_so=lambda fee: (fee.status, fee.charge_id) == ("charged", charge_id),
    )


async def ask_again(
    store: RecordStore, bus: EventBus, tenant_id: str, claim_key: str, actor: str
) -> FeeRecord:
    """The payment service is asked for the ledger's fee once more, under the key of before: nothing
    was charged, or it answers correctly by now. Raises `NotFound`, `NotMismatched`.
    """
    return await _decide(
        store,
        bus,
        tenant_id,
        claim_key,
        actor,
        decided=lambda fee: replace(fee, status="intended", charge_id=None, charged_at=None),
        is_so=lambda fee: fee.status == "intended",
    )


async def is_decided(store: RecordStore, payout: PhaseRecord) -> bool:
    """Whether the fee that this payout failed by is `mismatched` no longer.

    A person may decide after the phase has seen the mismatch, and before its failure is on record:
    the decision's request then repeats one that is running, and has no effect.
    """
    if (payout.status, payout.error_code) != ("failed", MISMATCH_CODE) or not payout.claim_key:
        return False
    fee = await read_fee(store, payout.tenant_id, payout.claim_key)
    return fee is not None and fee.status != "mismatched"


async def _decide(
    store: RecordStore,
    bus: EventBus,
    tenant_id: str,
    claim_key: str,
    actor: str,
    *,
    decided: Callable[[FeeRecord], FeeRecord],
    is_so: Callable[[FeeRecord], bool],
) -> FeeRecord:
    """`is_so`: whether a line that is decided was decided like this."""
    id = ids.fee_id(claim_key)

    async def attempt() -> Stored[FeeRecord]:
        stored = await store.read(tenant_id, FeeRecord, id)
        fee = stored.record
        if fee.status != "mismatched":
            if fee.mismatched_at and is_so(fee):
                return stored
            raise NotMismatched(f"the fee is {fee.status}, there is nothing to decide")
        return await store.replace(tenant_id, stored.etag, decided(fee))

    fee = (await update(attempt, f"fee {id}")).record
    await _request_payout(store, bus, fee, actor)
    return fee


async def _request_payout(store: RecordStore, bus: EventBus, fee: FeeRecord, actor: str) -> None:
    """As the same trigger does it: one that has failed is done again, one that has not stands."""
    id = ids.phase_record_id(fee.claim_key, 7)
    try:
        payout = (await store.read(fee.tenant_id, PhaseRecord, id)).record
    except NotFound:
        return
    await triggers.accept(
        store, bus, fee.tenant_id, payout.trigger, triggered_by="fee decision", actor=actor
    )
