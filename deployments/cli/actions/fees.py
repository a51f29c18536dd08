"""Fees that differ from what was charged, decided at a terminal."""

from blocks.claims.money.fee_decisions import ask_again, confirm_charge
from blocks.contracts import ids
from blocks.contracts.records.claims import FeeRecord
from blocks.ports import NotFound
from blocks.services import open_bus, open_store
from blocks.settings import load_settings
from deployments.cli.acts import audited


async def settle(
    tenant_id: str, user_id: str, claim_id: str, charge_id: str | None, actor: str
) -> FeeRecord:
    """The fee, charged by this charge; without one, to be asked for again. Raises `NotFound` with a
    readable message, `NotMismatched`.
    """
    key, settings = ids.claim_key(tenant_id, user_id, claim_id), load_settings()
    async with (
        open_store(settings) as store,
        open_bus(settings, "cli") as bus,
        audited(store, tenant_id, "claims settle-fee", actor, ids.fee_id(key)) as recorded,
    ):
        try:
            if charge_id is None:
                return await ask_again(recorded, bus, tenant_id, key, actor)
            return await confirm_charge(recorded, bus, tenant_id, key, charge_id, actor)
        except NotFound:
            raise NotFound(f"claim {claim_id} of user {user_id} has no fee") from None
