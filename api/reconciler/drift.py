"""What all kinds of drift share: items are found, and each is repaired, some concurrently."""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Generic, TypeVar

import msgspec

from api.reconciler.due_phases import DuePhases
from api.reconciler.workers import Workers
from blocks.contracts.records import ApprovalRecord, ExecutionRecord
from blocks.observability.log_context import log_context
from blocks.ports import EventBus, FlowRuns, FlowRunView, RecordStore, Stored, Unavailable
from blocks.settings import Settings

log = logging.getLogger(__name__)

_AT_ONCE = 16

T = TypeVar("T")


class Parts(msgspec.Struct, frozen=True):
    """The reconciler's dependencies; all are open, and outlive it."""

    settings: Settings
    store: RecordStore
    bus: EventBus
    flow_runs: FlowRuns
    workers: Workers
    due_phases: DuePhases

    @classmethod
    def of(
        cls, settings: Settings, store: RecordStore, bus: EventBus, flow_runs: FlowRuns
    ) -> "Parts":
        workers = Workers(store, settings.worker.lost_after_seconds)
        return cls(settings, store, bus, flow_runs, workers, DuePhases(store))


class Drift(ABC, Generic[T]):
    """One kind of difference of actual and wanted state; `repairs` counts this object's."""

    kind: ClassVar[str]
    """Its name in metrics, logs and the doctor's report."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.repairs = 0

    @property
    def every_seconds(self) -> float:
        """How often to look without a hint."""
        return self._parts.settings.reconciler.interval_seconds

    @property
    def retry_seconds(self) -> float:
        """The same after a look that failed: a kind that looks seldom, too, sees soon that an
        outage is over.
        """
        return min(self.every_seconds, self._parts.settings.reconciler.interval_seconds)

    @abstractmethod
    async def find(self) -> Sequence[T]:
        """Everything of this kind that is not as it should be. Raises `Unavailable`: nothing can be
        seen now.
        """

    @abstractmethod
    async def act(self, found: T) -> bool:
        """Repairs it, and logs that; False if there was nothing to repair after all."""

    async def look(self) -> int:
        """Finds and acts; returns how many were repaired. One that fails does not keep the others
        from their repair.

        Raises `Unavailable` when a part was away for one of them: the next look finds it again.
        """
        before, room = self.repairs, asyncio.Semaphore(_AT_ONCE)
        failures = [
            failure for failure in await self._act_on_all(await self.find(), room) if failure
        ]
        for failure in failures:
            if not isinstance(failure, Unavailable):
                log.error("the reconciler stumbled over one %s", self.kind, exc_info=failure)
        if unavailable := next(
            (failure for failure in failures if isinstance(failure, Unavailable)), None
        ):
            raise unavailable
        return self.repairs - before

    async def _act_on_all(
        self, found: Sequence[T], room: asyncio.Semaphore
    ) -> list[Exception | None]:
        async def act(one: T) -> Exception | None:
            async with room:
                with log_context(**known_of(one)):
                    try:
                        is_repaired = await self.act(one)  # others act meanwhile: count after it
                        self.repairs += is_repaired
                    except Exception as failure:
                        return failure
            return None

        return await asyncio.gather(*(act(one) for one in found))


def known_of(found: object) -> dict[str, str | None]:
    """The fields of every log line about it."""
    match found:
        case (first, *_) | Stored(record=first):
            return known_of(first)
        case ExecutionRecord():
            return {
                "tenant_id": found.tenant_id,
                "execution_id": found.id,
                "trace_id": found.trace_id,
            }
        case ApprovalRecord():
            return {"tenant_id": found.tenant_id, "execution_id": found.execution_id}
        case FlowRunView():
            return {"tenant_id": found.tenant_id, "flow_run_id": found.id}
    return {}
