"""Metrics of the batch jobs, read from their records at each scrape.

Triggers are sent by worker processes, the command line and this API: only the records know of all.
So every API process reports the same numbers, also after a restart: take the maximum over
instances, never the sum.
"""

import asyncio
import logging
from datetime import datetime, timedelta

from prometheus_client import CollectorRegistry, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from blocks.contracts import ids, rejections
from blocks.contracts.jobs import JOBS, WORKFLOW
from blocks.contracts.records import ExecutionRecord
from blocks.contracts.states import OPEN
from blocks.ports import RecordStore, Unavailable
from blocks.queries import every

logger = logging.getLogger(__name__)

LIMIT_SECONDS = 5.0
"""A store that is slower than this leaves the numbers as they were."""

# The platform's dashboards read the first seven; jobs of an hour are why there are more.
BUCKETS = (1, 5, 15, 30, 60, 120, 300, 900, 1800, 3600, 7200)

_LATE_WRITES = timedelta(minutes=1)


class JobMetrics:
    """Lives as long as its application. `refresh` reads only what can have changed since the last
    time.
    """

    def __init__(self, store: RecordStore) -> None:
        self._store = store
        self._registry = CollectorRegistry()
        self._triggered: dict[str, int] = {job.id: 0 for job in JOBS}
        self._counted: dict[str, datetime] = {}
        self._timed: set[str] = set()
        self._from: datetime | None = None
        self._reading = asyncio.Lock()
        self._registry.register(_Triggers(self._triggered))
        self._duration = Histogram(
            "batch_job_duration_seconds",
            "Seconds from a batch job's trigger to the report of its end, failures included",
            ["job_name"],
            buckets=BUCKETS,
            registry=self._registry,
        )
        self._open = Gauge(
            "batch_jobs_open",
            "Runs of a batch job that have not ended",
            ["batch_job"],
            registry=self._registry,
        )

    async def text(self) -> str:
        """The metrics in the format of Prometheus; as they last were when the store does not
        answer.
        """
        try:
            async with self._reading, asyncio.timeout(LIMIT_SECONDS):
                await self._refresh()
        except (Unavailable, TimeoutError) as error:
            logger.warning(
                "The metrics of batch jobs are those of the last time: %s",
                error or "the store is slow",
            )
        return generate_latest(self._registry).decode()

    async def _refresh(self) -> None:
        """Newest first, until what was settled the last time: an execution is created late by a
        minute at most.
        """
        oldest_open: datetime | None = None
        newest: datetime | None = None
        open_by_job = dict.fromkeys(self._triggered, 0)
        runs = every(
            self._store,
            ids.SYSTEM_TENANT,
            ExecutionRecord,
            {"workflow": WORKFLOW},
            newest_first=True,
            skips_unreadable=True,
        )
        async for run in (stored.record async for stored in runs):
            if self._from and run.created_at < self._from:
                break
            newest = newest or run.created_at
            self._count(run)
            if run.status in OPEN:
                oldest_open = run.created_at
                open_by_job[run.subject] = open_by_job.get(run.subject, 0) + 1
        for job, count in open_by_job.items():
            self._open.labels(job).set(count)
        if settled := oldest_open or newest:
            self._from = settled - _LATE_WRITES
            self._counted = {
                id: created for id, created in self._counted.items() if created >= self._from
            }
            self._timed &= self._counted.keys()

    def _count(self, run: ExecutionRecord) -> None:
        if run.started_at and run.id not in self._counted:
            self._counted[run.id] = run.created_at
            self._triggered[run.subject] = self._triggered.get(run.subject, 0) + 1
        if _is_reported(run) and run.id not in self._timed and run.started_at and run.completed_at:
            self._timed.add(run.id)
            self._duration.labels(run.subject).observe(
                (run.completed_at - run.started_at).total_seconds()
            )


class _Triggers(Collector):
    """A counter whose value comes from elsewhere."""

    def __init__(self, triggered: dict[str, int]) -> None:
        self._triggered = triggered

    def collect(self) -> list[Metric]:
        family = CounterMetricFamily(
            "batch_job_triggers", "Triggers of batch jobs that were sent", labels=["batch_job"]
        )
        for job, count in self._triggered.items():
            family.add_metric([job], count)
        return [family]


def _is_reported(run: ExecutionRecord) -> bool:
    return run.status == "completed" or run.error_code == rejections.JOB_FAILED
