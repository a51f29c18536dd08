"""A steady load on dispatchers and Prefect in simulated time: how long executions wait to begin.

What is simulated is the rule, not the code: a tenant's executions wait while it has a flow run that
has not begun, and then go out together (`listeners/dispatch/dispatcher.py`); Prefect begins one run
after the other, in `PREFECT_RUN_MS` of a core each.

`python -m tests.benchmarks.sizing.simulated_load` prints the table of docs/scaling.md.
"""

import heapq
from collections import deque
from collections.abc import Iterator
from random import Random

import msgspec

from tests.benchmarks.percentiles import percentile
from tests.benchmarks.sizing.capacity import BATCH_MAX, PREFECT_RUN_MS, number, table

UNSTARTED_MAX = 8
"""The default of `DISPATCH_RUNS_MAX`."""


SHOWN = (
    (1, 20, 1),
    (2, 20, 1),
    (3, 20, 1),
    (10, 4, 1),
    (10, 20, 1),
    (100, 20, 1),
    (1_000, 20, 1),
    (2_000, 20, 1),
    (2_000, 20, 2),
)
"""Executions per second, tenants, Prefect servers."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """Of so many executions per second."""

    rate: float
    flow_runs: float
    """Per second."""
    batch: float
    busy: float
    """The share of Prefect's time."""
    p50: float
    p95: float
    """Seconds from its event until an execution's flow run has begun."""


def simulated(
    rate: float, *, tenants: int, servers: int = 1, seconds: float = 300.0, seed: int = 1
) -> Outcome:
    """Events at random, of equal tenants; the first tenth of the time does not count."""
    service = PREFECT_RUN_MS / 1000
    arrivals = _arrivals(Random(seed), rate, tenants, seconds)
    waiting: list[deque[float]] = [deque() for _ in range(tenants)]
    turns: deque[int] = deque()  # tenants with something waiting and no run under way
    in_flight: list[tuple[float, int, list[float]]] = []
    free_at = [0.0] * servers
    waits, batches = list[float](), list[int]()

    def dispatch(now: float) -> None:
        while turns and len(in_flight) < UNSTARTED_MAX * servers:
            tenant = turns.popleft()
            lane = waiting[tenant]
            batch = [lane.popleft() for _ in range(min(BATCH_MAX, len(lane)))]
            begins = max(now, heapq.heappop(free_at)) + service
            heapq.heappush(free_at, begins)
            heapq.heappush(in_flight, (begins, tenant, batch))

    def begin_until(now: float) -> None:
        while in_flight and in_flight[0][0] <= now:
            begun, tenant, batch = heapq.heappop(in_flight)
            if begun >= seconds / 10:
                batches.append(len(batch))
                waits.extend(begun - arrived for arrived in batch)
            if waiting[tenant]:
                turns.append(tenant)
            dispatch(begun)

    for now, tenant in arrivals:
        begin_until(now)
        has_run = any(one == tenant for _, one, _ in in_flight)
        if not waiting[tenant] and not has_run:
            turns.append(tenant)
        waiting[tenant].append(now)
        dispatch(now)
    runs = len(batches) / (0.9 * seconds)
    return Outcome(
        rate=rate,
        flow_runs=runs,
        batch=sum(batches) / len(batches),
        busy=runs * service / servers,
        p50=percentile(waits, 50),
        p95=percentile(waits, 95),
    )


def _arrivals(
    random: Random, rate: float, tenants: int, seconds: float
) -> Iterator[tuple[float, int]]:
    now = random.expovariate(rate)
    while now < seconds:
        yield now, random.randrange(tenants)
        now += random.expovariate(rate)


def waits() -> str:
    """The page's table, in Markdown."""
    of_the_load = ("executions/s", "tenants", "Prefect servers")
    found = ("Prefect busy", "flow runs/s", "executions in one", "wait p50", "wait p95")
    return table((*of_the_load, *found), (_row(*shown) for shown in SHOWN))


def _row(rate: float, tenants: int, servers: int) -> list[str]:
    found = simulated(rate, tenants=tenants, servers=servers, seconds=120.0)
    figures = map(number, (rate, tenants, servers, found.busy, found.flow_runs, found.batch))
    return [*figures, f"{number(found.p50)} s", f"{number(found.p95)} s"]


if __name__ == "__main__":
    print(waits())
