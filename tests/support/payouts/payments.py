"""Claims, and a payment service in memory, as tests want them."""

import asyncio
from typing import Any

from blocks.claims.asking.charges import Charge
from blocks.contracts import ids
from blocks.contracts.claims.money import Currency
from blocks.contracts.records.claims import ClaimRecord
from tests.support.factories import A_TENANT, now


def a_claim(
    claim_id: str = "clm-1", *, user_id: str = "ann", tenant_id: str = A_TENANT, **changes: Any
) -> ClaimRecord:
    """One that was found and submitted, of a journey of its own."""
    return ClaimRecord(
        **{
            "id": ids.claim_key(tenant_id, user_id, claim_id),
            "tenant_id": tenant_id,
            "created_at": now(),
            "claim_id": claim_id,
            "user_id": user_id,
            "execution_id": ids.journey_id(tenant_id, user_id, "sync-1"),
            "sync_id": "sync-1",
            "status": "submitted",
            "updated_at": now(),
            **changes,
        }
    )


class RememberedPayments:
    """A payment service that charges once a key, as the real one, and shows what it charged."""

    def __init__(self) -> None:
        self.charges: dict[str, Charge] = {}
        self.asked: list[dict[str, Any]] = []
        self.failures: list[Exception] = []
        """Raised by the next calls, after the charge was made: its answer got lost."""

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
        self.asked.append({"claim_id": claim_id, "amount_cents": amount_cents, "key": key})
        made = self.charges.setdefault(
            key, Charge(id=f"ch-{len(self.charges) + 1}", fee_cents=fee_cents, currency=currency)
        )
        await asyncio.sleep(0)
        if self.failures:
            raise self.failures.pop()
        return made
