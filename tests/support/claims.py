"""Triggers of claim recovery, and a store and a bus that a worker's death interrupts."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec

from blocks.contracts.claims.requests import PhaseTrigger, parse_phase, read_trigger

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


class Died(Exception):
    """The process died at this call."""


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
