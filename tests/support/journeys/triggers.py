"""Triggers of claim recovery, and a store and a bus that a worker's death interrupts."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec

from blocks.contracts import ids
from blocks.contracts.claims.requests import PhaseTrigger, parse_phase, read_trigger
from blocks.contracts.records import Record
from blocks.contracts.records.claims import (
    ClaimRecord,
    FeeRecord,
    PacketRecord,
    PhaseLogEntry,
    PhaseRecord,
)
from tests.support.factories import A_TENANT

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)

A_USER = "user-1"


def a_trigger(phase: int, /, **body: Any) -> PhaseTrigger:
    """As the route reads it: of `A_USER`, of sync `sync-1` or claim `c-1`."""
    default: dict[str, Any] = {"user_id": A_USER}
    match phase:
        case 1 | 2 | 3 | 4:
            default["sync_id"] = "sync-1"
        case 5:
            default["claim_id"] = "c-1"
        case 6:
            default |= {"claim_id": "c-1", "rejection_reason": "no proof"}
        case 7:
            default |= {"claim_id": "c-1", "amount": 100}
    given = {name: value for name, value in (default | body).items() if value is not None}
    sent = msgspec.json.encode(given)
    decoded = msgspec.json.Decoder(float_hook=Decimal).decode(sent)
    return read_trigger(parse_phase(str(phase)), decoded, now=NOON)


class Died(BaseException):
    """The process died at this call; nothing of it goes on that handles errors."""


class Fuse:
    """Counts the calls that change something, and ends the process at one of them: before it is
    done, or after (its answer is lost). 0: never.
    """

    def __init__(self) -> None:
        self.calls = 0
        self.blows_at = 0
        self.is_done_first = False

    def set(self, blows_at: int, *, is_done_first: bool) -> None:
        self.calls, self.blows_at, self.is_done_first = 0, blows_at, is_done_first

    async def pass_on(self, call: Any, *args: Any, **named: Any) -> Any:
        self.calls += 1
        if self.calls != self.blows_at:
            return await call(*args, **named)
        if self.is_done_first:
            await call(*args, **named)
        raise Died


class Fused:
    """A store or a bus behind a fuse; whatever only reads passes freely."""

    _CHANGING = ("create", "replace", "publish", "broadcast")

    def __init__(self, inner: Any, fuse: Fuse) -> None:
        self._inner, self._fuse = inner, fuse

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._inner, name)
        if name not in self._CHANGING:
            return call

        async def fused(*args: Any, **named: Any) -> Any:
            return await self._fuse.pass_on(call, *args, **named)

        return fused


class MemoryBus:
    """Keeps what was published, in order."""

    def __init__(self) -> None:
        self.published: list[Any] = []

    async def publish(self, *messages: Any) -> None:
        self.published.extend(messages)

    async def broadcast(self, signal: str, body: bytes) -> None:
        pass


def records_of_a_claim() -> list[Record]:
    """One of each kind that claim recovery keeps."""
    owner, trigger = ids.claim_key(A_TENANT, A_USER, "c-1"), a_trigger(7, amount="12.50")
    found = a_trigger(3, claims=[{"claim_id": "c-1", "evidence": [1.0, 0.1, 10**25, {"a": "é"}]}])
    base: dict[str, Any] = {"tenant_id": A_TENANT, "created_at": NOON, "user_id": A_USER}
    of_claim = {**base, "execution_id": "e", "claim_key": owner, "claim_id": "c-1"}
    return [
        PhaseRecord(
            **base,
            id=f"{owner}:phase-3",
            execution_id="e",
            sync_id="sync-1",
            phase=3,
            status="running",
            trigger=found,
            next_trigger=trigger,
            requested_at=NOON,
        ),
        ClaimRecord(
            **base,
            id=owner,
            execution_id="e",
            claim_id="c-1",
            sync_id="sync-1",
            status="paid",
            updated_at=NOON,
            amount_cents=1,
            confidence=1.0,
        ),
        FeeRecord(
            **of_claim,
            id=ids.fee_id(owner),
            amount_cents=1250,
            currency="eur",
            fee_percent="20",
            fee_cents=250,
            payout_cents=1000,
            idempotency_key="k",
        ),
        PacketRecord(**of_claim, id=ids.packet_id(owner), packet_bytes=7),
        PhaseLogEntry(**of_claim, id="line", sync_id="sync-1", phase=7, round=1, mark="completed"),
    ]
