"""Carries a journey by the flow's own functions, with services and files in memory."""

from contextvars import ContextVar
from typing import Any, cast

from msgspec.structs import replace

from blocks.claims.asking.answers import (
    DetectionResult,
    MatchingResult,
    SubmissionResult,
    SyncResult,
)
from blocks.claims.asking.charges import Charge
from blocks.claims.asking.failed import ServiceFailed
from blocks.contracts.claims.findings import Claim, Match
from blocks.contracts.claims.phases import WORKFLOW
from blocks.contracts.records.claims import PhaseRecord
from blocks.files import Files
from blocks.ports import EventBus, RecordStore
from blocks.settings import load_settings
from flows.claims.journey_run import JourneyRun
from flows.claims.parts import Parts
from flows.claims.phases import Done
from flows.shared.claims import claim
from flows.shared.runtime import Runtime
from tests.support.flow_runs import RememberedFlowRuns
from tests.support.journeys.runner import Fails
from tests.support.journeys.triggers import Fuse

SETTINGS = load_settings({})
RUN = "00000000-0000-4000-8000-000000000001"
"""One flow run, which is started again after each death."""

_FAILS: ContextVar[bool] = ContextVar("fails", default=False)
"""Whether the service that the phase at hand calls is down."""


class MemoryFolder:
    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def write(self, key: str, content: bytes) -> None:
        self.objects[key] = content

    def read(self, key: str) -> bytes:
        if key not in self.objects:
            raise FileNotFoundError(key)
        return self.objects[key]


class MemoryServices:
    """They find two claims, of which both are sure. A charge is made once a key, and its answer may
    get lost.
    """

    def __init__(self, fuse: Fuse) -> None:
        self.charges: dict[str, Charge] = {}
        """By key."""
        self.overstates = False
        """Whether it states a cent more than it was asked for."""
        self._fuse = fuse

    async def sync(self, *asked: Any) -> SyncResult:
        _must_answer()
        return SyncResult(orders_count=1, inventory_items=1)

    async def detect(self, *asked: Any) -> DetectionResult:
        _must_answer()
        return DetectionResult(queued=True, claims=[Claim(claim_id="c-1"), Claim(claim_id="c-2")])

    async def match(self, user_id: str, claims: list[Claim], key: str) -> MatchingResult:
        _must_answer()
        return MatchingResult(
            matches=[Match(claim_id=one.claim_id, confidence=0.9) for one in claims]
        )

    async def submit(self, *asked: Any) -> SubmissionResult:
        _must_answer()
        return SubmissionResult()

    async def log_rejection(self, *asked: Any) -> None:
        _must_answer()

    async def charge(self, *, key: str, **asked: Any) -> Charge:
        _must_answer()
        return cast(Charge, await self._fuse.pass_on(self._charge, key, **asked))

    async def _charge(self, key: str, *, fee_cents: int, currency: Any, **asked: Any) -> Charge:
        made = Charge(id=f"ch-{len(self.charges)}", fee_cents=fee_cents, currency=currency)
        made = self.charges.setdefault(key, made)
        return replace(made, fee_cents=fee_cents + 1) if self.overstates else made


def _must_answer() -> None:
    if _FAILS.get():
        raise ServiceFailed("sync", "unavailable", "the service is down")


async def carry_by_the_flow(
    services: MemoryServices,
    folder: MemoryFolder,
    store: RecordStore,
    bus: EventBus,
    tenant_id: str,
    execution_id: str,
    fails: Fails,
) -> None:
    """The journey is carried until it rests or has ended."""
    held = await claim(store, tenant_id, execution_id, RUN, workflow=WORKFLOW)
    if held is None:
        return

    async def doing(record: PhaseRecord, work: Any) -> Done:
        _FAILS.set(fails(record))
        done: Done = await work()
        return done

    runtime, services_of_flow = (
        Runtime(SETTINGS, bus, store, RememberedFlowRuns()),
        cast(Any, services),
    )
    parts = Parts(runtime, services_of_flow, Files(cast(Any, folder), "packets"))
    await JourneyRun(parts, held, doing).carry()
