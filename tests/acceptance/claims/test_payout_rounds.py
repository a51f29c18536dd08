"""A payout in many rounds: repeated, carried by several processes at once, each killed at a place
between ledger, charge, packet and end, while answers get lost and the percentage is changed. At the
end there is one charge and one packet.
"""

import random
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from blocks.claims import journeys, log
from blocks.claims.ledger import read_fee
from blocks.claims.packets import open_files, read_archive
from blocks.contracts import ids
from blocks.contracts.claims.money import fee_of, units
from blocks.contracts.records import ExecutionRecord
from blocks.contracts.records.claims import FeeRecord, PacketRecord
from blocks.ports import Query, RecordStore
from blocks.processes import fault_points
from blocks.services import open_bus, open_store
from blocks.settings import Settings, load_settings
from deployments.simulated.claims.faults import Fault
from tests.support.factories import A_TENANT
from tests.support.payouts.payout_workers import PayoutWork, exit_codes, files_of
from tests.support.servers.claim_services import ClaimPlatform, claim_platform

POINTS = (*fault_points.OF_A_PAYOUT, *fault_points.OF_A_PHASE)
PERCENTS = ("20", "12.5", "33.3333", "0.01", "100")
CURRENCIES = ("usd", "USD", "eur", "Gbp", "cad")
KILLED = -signal.SIGKILL


class Rounds(msgspec.Struct, frozen=True):
    """One data folder, one payment service, and chance, which a seed repeats."""

    folder: Path
    settings: Settings
    store: RecordStore
    platform: ClaimPlatform
    chance: random.Random

    def work(self, body: dict[str, object], *, dies: bool) -> PayoutWork:
        return PayoutWork(
            folder=str(self.folder),
            url=self.platform.url,
            body=body,
            percent=self.chance.choice(PERCENTS),
            triggers=self.chance.randint(1, 3),
            dies_at=self.chance.choice(POINTS) if dies else "",
        )


@asynccontextmanager
async def rounds_in(folder: Path, seed: int) -> AsyncIterator[Rounds]:
    settings = load_settings({"ORCHESTRATOR_DATA_DIR": str(folder)})
    async with (
        claim_platform() as platform,
        open_bus(settings, "test"),
        open_store(settings) as store,
    ):
        await store.provision()
        yield Rounds(folder, settings, store, platform, random.Random(seed))


@pytest.mark.long
async def test_a_payout_is_charged_once_whatever_dies(tmp_path: Path) -> None:
    await play(tmp_path, rounds=20, seed=7)


@pytest.mark.slow
async def test_a_thousand_payouts_are_each_charged_once_whatever_dies(tmp_path: Path) -> None:
    await play(tmp_path, rounds=1_000, seed=random.randrange(2**32))


async def play(folder: Path, *, rounds: int, seed: int) -> None:
    killed: Counter[bool] = Counter()
    async with rounds_in(folder, seed) as here:
        for number in range(rounds):
            try:
                await play_one(here, number, killed)
            except BaseException as error:
                error.add_note(f"round {number} of seed {seed}")
                raise
    assert killed[True] > rounds / 2, "the processes lived"


async def play_one(here: Rounds, number: int, killed: Counter[bool]) -> None:
    cents, user = here.chance.randint(1, 10**6), f"user-{number}"
    body = {"user_id": user, "claim_id": f"c-{number}", "amount": units(cents)}
    body["currency"] = here.chance.choice(CURRENCIES)
    await lose_answers(here, user)
    fee: FeeRecord | None = None
    for _ in range(here.chance.randint(1, 3)):
        at_once = here.chance.choice((1, 1, 2))
        works = [here.work(body, dies=here.chance.random() < 0.8) for _ in range(at_once)]
        codes = await exit_codes(*works)
        assert {0, KILLED} >= set(codes), codes
        killed.update(code == KILLED for code in codes)
        fee = await the_same_fee(here, body, fee)
    await here.platform.repair()
    for _ in range(2):  # the second finds that all is done
        assert [0] == await exit_codes(here.work(body, dies=False))
    fee = await the_same_fee(here, body, fee)
    assert fee
    assert ("charged", cents, body["currency"].lower()) == (
        fee.status,
        fee.amount_cents,
        fee.currency,
    )
    await charged_once(here, fee)
    await packed_once(here, fee)
    await ended_once(here, fee)


async def lose_answers(here: Rounds, user: str) -> None:
    """Of some requests: the charge is made, and the service answers with an error, or not at all
    what was asked for.
    """
    requests = here.chance.choice((0, 0, 1, 2, 3))
    if requests:
        kind = here.chance.choice(("error", "garbage"))
        lost = Fault(
            kind=kind, service="payments", user_id=user, requests=requests, after_work=True
        )
        await here.platform.fault(lost)


async def the_same_fee(
    here: Rounds, body: dict[str, str], before: FeeRecord | None
) -> FeeRecord | None:
    """The ledger's line, as it was first written: whatever the setting is by now."""
    key = ids.claim_key(A_TENANT, body["user_id"], body["claim_id"])
    fee = await read_fee(here.store, A_TENANT, key)
    if fee is not None:
        assert fee_of(fee.amount_cents, Decimal(fee.fee_percent)) == fee.fee_cents
    if before is not None:
        assert fee is not None
        for name in ("amount_cents", "currency", "fee_percent", "fee_cents", "idempotency_key"):
            assert getattr(before, name) == getattr(fee, name)
    return fee


async def charged_once(here: Rounds, fee: FeeRecord) -> None:
    charges = await here.platform.charges(fee.claim_id)
    expected = [(fee.charge_id, fee.fee_cents, fee.currency, fee.idempotency_key)]
    assert (expected if fee.fee_cents else []) == [
        (one["id"], one["fee_cents"], one["currency"], one["idempotency_key"]) for one in charges
    ]


async def packed_once(here: Rounds, fee: FeeRecord) -> None:
    page = await here.store.query(A_TENANT, Query(PacketRecord, {"claim_key": fee.claim_key}))
    [packet] = [stored.record for stored in page.items]
    assert "completed" == packet.status
    assert await read_archive(open_files(here.settings), packet)
    assert ["proof_packet.zip", "summary.pdf"] == files_of(here.folder, packet.id)


async def ended_once(here: Rounds, fee: FeeRecord) -> None:
    journey = (await here.store.read(A_TENANT, ExecutionRecord, fee.execution_id)).record
    [claim] = await journeys.claims_of(here.store, A_TENANT, journey.id)
    lines = await log.entries(here.store, A_TENANT, [journey.id])
    assert ("completed", "paid") == (journey.status, claim.record.status)
    assert len({line.id for line in lines}) == len(lines)
    assert 1 == sum(line.mark == "completed" for line in lines)
