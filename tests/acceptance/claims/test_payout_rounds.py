"""A payout in many rounds: repeated, carried by several processes at once, each killed at a place
between ledger, charge, packet and end, while answers get lost and the percentage is changed. At the
end there is one charge and one packet.
"""

import asyncio
import random
import signal
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from blocks.claims import journeys, log
from blocks.claims.money.ledger import read_fee
from blocks.claims.packets import packet_files, read_archive
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
AT_ONCE = 4
"""Rounds that are played side by side."""
UNTIL_ENDED = 4
"""Workers that live: at most two of them lose their answers, and one more finds all done."""


class Rounds(msgspec.Struct, frozen=True):
    """One data folder and one payment service."""

    folder: Path
    settings: Settings
    store: RecordStore
    platform: ClaimPlatform
    killed: Counter[bool]


class Round(msgspec.Struct, frozen=True):
    """One payout, and chance, which its seed repeats."""

    rounds: Rounds
    chance: random.Random
    body: dict[str, str]
    """Of the trigger."""

    def work(self, *, dies: bool) -> PayoutWork:
        settings, percent = self.rounds.settings, self.chance.choice(PERCENTS)
        return PayoutWork(
            settings=replace(settings, claims=replace(settings.claims, fee_percent=percent)),
            body=self.body,
            triggers=self.chance.randint(1, 3),
            dies_at=self.chance.choice(POINTS) if dies else "",
        )

    async def journey(self) -> ExecutionRecord:
        user_id, sync_id = self.body["user_id"], f"payout_{self.body['claim_id']}"
        id = ids.journey_id(A_TENANT, user_id, sync_id)
        return (await self.rounds.store.read(A_TENANT, ExecutionRecord, id)).record

    async def fee(self) -> FeeRecord | None:
        key = ids.claim_key(A_TENANT, self.body["user_id"], self.body["claim_id"])
        return await read_fee(self.rounds.store, A_TENANT, key)


@asynccontextmanager
async def rounds_in(folder: Path) -> AsyncIterator[Rounds]:
    async with claim_platform() as platform:
        variables = {"INTEGRATIONS_URL": platform.url, "PYTHON_API_URL": platform.url}
        settings = load_settings({"ORCHESTRATOR_DATA_DIR": str(folder), **variables})
        async with open_bus(settings, "test"), open_store(settings) as store:
            await store.provision()
            yield Rounds(folder, settings, store, platform, Counter())


@pytest.fixture
def folder() -> Iterator[Path]:
    """In memory where there is such a place: a process that is killed takes nothing of it along."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        yield Path(name)


@pytest.mark.long
async def test_a_payout_is_charged_once_whatever_dies(folder: Path) -> None:
    await play(folder, rounds=20, seed=7)


@pytest.mark.slow
async def test_a_thousand_payouts_are_each_charged_once_whatever_dies(folder: Path) -> None:
    await play(folder, rounds=1_000, seed=random.randrange(2**32))


async def play(folder: Path, *, rounds: int, seed: int) -> None:
    slots = asyncio.Semaphore(AT_ONCE)
    async with rounds_in(folder) as here, asyncio.TaskGroup() as playing:

        async def one(number: int) -> None:
            async with slots:
                try:
                    await play_one(here, number, random.Random(f"{seed}-{number}"))
                except BaseException as error:
                    error.add_note(f"round {number} of seed {seed}")
                    raise

        for number in range(rounds):
            playing.create_task(one(number))
    assert here.killed[True] > rounds / 2, "the processes lived"


async def play_one(here: Rounds, number: int, chance: random.Random) -> None:
    cents = chance.randint(1, 10**6)
    body = {"user_id": f"user-{number}", "claim_id": f"c-{number}", "amount": units(cents)}
    body["currency"] = chance.choice(CURRENCIES)
    this, fee = Round(here, chance, body), None
    await lose_answers(this)
    for _ in range(chance.randint(1, 3)):
        works = [this.work(dies=chance.random() < 0.8) for _ in range(chance.choice((1, 1, 2)))]
        codes = await exit_codes(*works)
        assert {0, KILLED} >= set(codes), codes
        here.killed.update(code == KILLED for code in codes)
        fee = await the_same_fee(this, fee)
    is_ended = False
    for _ in range(UNTIL_ENDED):
        assert [0] == await exit_codes(this.work(dies=False))
        fee = await the_same_fee(this, fee)
        if is_ended:
            break
        is_ended = (await this.journey()).status == "completed"
    assert fee
    assert ("charged", cents, body["currency"].lower()) == (
        fee.status,
        fee.amount_cents,
        fee.currency,
    )
    await charged_once(here, fee)
    await packed_once(here, fee)
    await ended_once(here, fee)


async def lose_answers(this: Round) -> None:
    """Of some requests: the charge is made, and its answer is an error or unreadable."""
    requests = this.chance.choice((0, 0, 1, 2, 3))
    if requests:
        lost = Fault(
            kind=this.chance.choice(("error", "garbage")),
            service="payments",
            user_id=this.body["user_id"],
            requests=requests,
            after_work=True,
        )
        await this.rounds.platform.fault(lost)


async def the_same_fee(this: Round, before: FeeRecord | None) -> FeeRecord | None:
    """The ledger's line, as it was first written: whatever the setting is by now."""
    fee = await this.fee()
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
    assert await read_archive(packet_files(here.settings), packet)
    assert ["proof_packet.zip", "summary.pdf"] == files_of(here.folder, packet.id)


async def ended_once(here: Rounds, fee: FeeRecord) -> None:
    journey = (await here.store.read(A_TENANT, ExecutionRecord, fee.execution_id)).record
    [claim] = await journeys.claims_of(here.store, A_TENANT, journey.id)
    lines = await log.entries(here.store, A_TENANT, [journey.id])
    assert ("completed", "paid") == (journey.status, claim.record.status)
    assert len({line.id for line in lines}) == len(lines)
    assert 1 == sum(line.mark == "completed" for line in lines)
