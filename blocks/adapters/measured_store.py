"""A `RecordStore` that counts and times its calls."""

from collections.abc import Awaitable, Callable, Sequence
from time import perf_counter
from typing import TypeVar

from prometheus_client import Counter, Histogram

from blocks.adapters.forwarding import ForwardingRecordStore
from blocks.adapters.record_rules import tag
from blocks.contracts.records import Record
from blocks.observability.metrics import SECONDS_OF_A_CALL, work
from blocks.ports import AlreadyExists, NotFound, Stale, Stored, Throttled, Unavailable

T = TypeVar("T")
R = TypeVar("R", bound=Record)

REQUESTS = Counter(
    "workflow_orchestrator_store_requests_total",
    "Requests to the record store by outcome: ok, exists, stale, not-found, throttled, "
    "unavailable, error",
    ["operation", "kind", "outcome"],
)
DURATION = Histogram(
    "workflow_orchestrator_store_request_duration_seconds",
    "Seconds that the record store took to answer, whatever it answered",
    ["operation"],
    buckets=SECONDS_OF_A_CALL,
)

# In this order: what is throttled is unavailable, too.
_OUTCOMES = {
    AlreadyExists: "exists",
    Stale: "stale",
    NotFound: "not-found",
    Throttled: "throttled",
    Unavailable: "unavailable",
}
_NO_KIND = ""


class MeteredRecordStore(ForwardingRecordStore):
    """The same store, measured."""

    async def create(self, tenant_id: str, record: R) -> Stored[R]:
        stored = await super().create(tenant_id, record)
        work.created(record)
        return stored

    async def create_all(self, tenant_id: str, records: Sequence[R]) -> list[Stored[R] | None]:
        created = await super().create_all(tenant_id, records)
        for stored in filter(None, created):
            work.created(stored.record)
        return created

    async def _ask(
        self, operation: str, kind: type[Record] | None, request: Callable[[], Awaitable[T]]
    ) -> T:
        began, outcome = perf_counter(), "error"
        try:
            answer = await request()
            outcome = "ok"
            return answer
        except Exception as error:
            outcome = next(
                (name for kind_of, name in _OUTCOMES.items() if isinstance(error, kind_of)), outcome
            )
            raise
        finally:
            REQUESTS.labels(operation, tag(kind) if kind else _NO_KIND, outcome).inc()
            DURATION.labels(operation).observe(perf_counter() - began)
