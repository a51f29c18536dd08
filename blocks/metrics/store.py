"""A `RecordStore` that counts and times what is asked of it."""

from collections.abc import Awaitable
from time import perf_counter
from typing import TypeVar

from prometheus_client import Counter, Histogram

from blocks.contracts.records import Record
from blocks.metrics import SECONDS_OF_A_CALL, work
from blocks.ports import AlreadyExists, NotFound, Page, RecordStore, Stale, Stored, Throttled, Unavailable, Where
from blocks.record_rules import tag

T = TypeVar("T")
R = TypeVar("R", bound=Record)

REQUESTS = Counter(
    "workflow_orchestrator_store_requests_total",
    "Requests to the record store by outcome: ok, exists, stale, not-found, throttled, unavailable, error",
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


class MeteredRecordStore:
    """The same store, measured."""

    def __init__(self, store: RecordStore) -> None:
        self._store = store

    async def provision(self) -> None:
        await _measured("provision", _NO_KIND, self._store.provision())

    async def create(self, tenant_id: str, record: R) -> Stored[R]:
        stored = await _measured("create", tag(type(record)), self._store.create(tenant_id, record))
        work.created(record)
        return stored

    async def read(self, tenant_id: str, kind: type[R], id: str) -> Stored[R]:
        return await _measured("read", tag(kind), self._store.read(tenant_id, kind, id))

    async def replace(self, tenant_id: str, etag: str, record: R) -> Stored[R]:
        return await _measured("replace", tag(type(record)), self._store.replace(tenant_id, etag, record))

    async def delete(self, tenant_id: str, kind: type[R], id: str) -> None:
        await _measured("delete", tag(kind), self._store.delete(tenant_id, kind, id))

    async def query(
        self,
        tenant_id: str,
        kind: type[R],
        where: Where | None = None,
        *,
        newest_first: bool = True,
        limit: int = 100,
        continuation: str | None = None,
    ) -> Page[R]:
        asked = self._store.query(
            tenant_id, kind, where, newest_first=newest_first, limit=limit, continuation=continuation
        )
        return await _measured("query", tag(kind), asked)

    async def count(self, tenant_id: str, kind: type[R], where: Where | None = None) -> int:
        return await _measured("count", tag(kind), self._store.count(tenant_id, kind, where))

    async def ping(self) -> None:
        await _measured("ping", _NO_KIND, self._store.ping())


async def _measured(operation: str, kind: str, answer: Awaitable[T]) -> T:
    began, outcome = perf_counter(), "error"
    try:
        answered = await answer
        outcome = "ok"
        return answered
    except Exception as error:
        outcome = next((name for kind_of, name in _OUTCOMES.items() if isinstance(error, kind_of)), outcome)
        raise
    finally:
        REQUESTS.labels(operation, kind, outcome).inc()
        DURATION.labels(operation).observe(perf_counter() - began)
