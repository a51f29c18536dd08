"""How large an installation must be: computed from what was measured and what Azure documents.

`python -m tests.benchmarks.sizing.capacity` prints the tables of docs/scaling.md;
`test_capacity.py` holds page and module together. Figures here are those of docs/performance.md, of
two cores.
"""

import argparse
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from math import ceil

import msgspec

from blocks.settings.checks import EXECUTIONS_KEPT_DAYS_MIN

RATES = (10, 100, 1_000)
"""Executions per second that the page answers for."""

BUSY = 2 / 3
"""The share of a core that may be used: what waits for it grows with 1 / (1 - utilisation)."""

PROCESSOR_MS = {"worker": 3.4, "listener": 1.8, "api": 1.0, "rabbitmq": 2.5, "postgres": 0.2}
"""Of one execution. RabbitMQ: one node; the worst of the measured 1.2 to 2.7."""

PREFECT_RUN_MS = 280.0
"""Of a flow run, whatever it carries: 330 ms were measured one by one, 165 ms in bursts."""

BATCH_MAX = 500

MESSAGES = 16
"""Of one execution on RabbitMQ: 15 in queues, and a signal of answers that are judged together."""

INTAKE_MESSAGES = 5
"""Of these, those in the listeners' queue: the event and four answers."""


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """What a rate needs, with cores `BUSY`."""

    rate: float
    cores: Mapping[str, float]
    prefect_servers: int
    flow_runs: float
    """Per second."""

    @property
    def batch(self) -> float:
        """Executions in a flow run, on average."""
        return self.rate / self.flow_runs

    def processes(self, name: str) -> int:
        """A Python process uses one core at most."""
        return ceil(self.cores[name] / BUSY)


def size_of(rate: float) -> Size:
    """One Prefect server makes as many flow runs as it can; batches take up the rest, and more
    servers are needed where they would be too large.
    """
    runs_of_a_server = BUSY * 1000 / PREFECT_RUN_MS
    servers = max(1, ceil(rate / BATCH_MAX / runs_of_a_server))
    runs = min(rate, servers * runs_of_a_server)
    cores = {name: rate * ms / 1000 for name, ms in PROCESSOR_MS.items()}
    cores["prefect"] = runs * PREFECT_RUN_MS / 1000
    return Size(rate=rate, cores=cores, prefect_servers=servers, flow_runs=runs)


# --- Cosmos DB ------------------------------------------------------------------------------------

DOCUMENTED_RU = (
    (1, 1.00, 4.95),
    (2, 1.04, 6.29),
    (4, 1.14, 6.67),
    (8, 1.33, 7.04),
    (16, 1.67, 9.52),
    (32, 2.19, 11.23),
    (64, 4.76, 22.67),
)
"""KB, a read, a write: https://learn.microsoft.com/azure/cosmos-db/understand-request-unit-consumption
"""

REPLACE = 2.0
"""A replace costs as two inserts: https://learn.microsoft.com/azure/cosmos-db/optimize-cost-reads-writes
"""

RESULT_KB = 1.0
"""Assumed: what a service answers to a step. The rest of a record was measured."""

EXECUTION_KB, STEP_KB = 1.1, 0.6
"""Without results; held by tests/unit/executions/test_costs.py."""

PARTITION_RU = 10_000
PARTITION_GB = 20
"""Of one partition key, that is one tenant in one container."""

STEPS = 4

KEPT_DAYS = (EXECUTIONS_KEPT_DAYS_MIN, 90)
"""For which the page says at what rate a tenant's partition fills nevertheless."""


class Request(msgspec.Struct, frozen=True):
    """Requests of one kind that an execution makes."""

    container: str
    what: str
    count: float
    kb: float
    ru_each: float

    @property
    def ru(self) -> float:
        return self.count * self.ru_each


def read_ru(kb: float) -> float:
    return _documented(kb, 1)


def write_ru(kb: float) -> float:
    return _documented(kb, 2)


def requests(result_kb: float = RESULT_KB) -> list[Request]:
    """What an execution asks of the store: 8 writes and 2 reads, without the index of its paths. In
    a transactional batch a record costs what it costs alone.
    """
    ended_kb, step_kb = EXECUTION_KB + STEPS * result_kb, STEP_KB + result_kb
    executions, steps = "workflow_executions", "workflow_steps"
    return [
        Request(executions, "create", 1, EXECUTION_KB, write_ru(EXECUTION_KB)),
        Request(executions, "replace: claimed", 1, EXECUTION_KB, REPLACE * write_ru(EXECUTION_KB)),
        Request(executions, "replace: ended, announced", 2, ended_kb, REPLACE * write_ru(ended_kb)),
        Request(executions, "read", 2, EXECUTION_KB, read_ru(EXECUTION_KB)),
        Request(steps, "create", STEPS, step_kb, write_ru(step_kb)),
    ]


def deletion(result_kb: float = RESULT_KB) -> list[Request]:
    """What the deletion of an execution asks of the store. A delete is taken as a create; the store
    reads each record before, and a query costs at least as much as reading what it finds.
    """
    ended_kb, step_kb = EXECUTION_KB + STEPS * result_kb, STEP_KB + result_kb
    executions, steps, approvals = "workflow_executions", "workflow_steps", "hitl_approvals"
    return [
        Request(executions, "read", 2, ended_kb, read_ru(ended_kb)),
        Request(executions, "delete", 1, ended_kb, write_ru(ended_kb)),
        Request(approvals, "query: none", 1, 0, read_ru(0)),
        Request(steps, "query, read", 2 * STEPS, step_kb, read_ru(step_kb)),
        Request(steps, "delete", STEPS, step_kb, write_ru(step_kb)),
    ]


def ru_of_an_execution(container: str | None = None, result_kb: float = RESULT_KB) -> float:
    return sum(one.ru for one in requests(result_kb) if container in (None, one.container))


def cost_of_a_million(price_of_a_million_ru: float, result_kb: float = RESULT_KB) -> float:
    """In the currency of the price: serverless accounts are billed by the request unit."""
    return ru_of_an_execution(result_kb=result_kb) * price_of_a_million_ru


def kb_of_an_execution(container: str, result_kb: float = RESULT_KB) -> float:
    """What stays."""
    if container == "workflow_executions":
        return EXECUTION_KB + STEPS * result_kb
    return STEPS * (STEP_KB + result_kb)


def _documented(kb: float, column: int) -> float:
    """Between two documented sizes, in proportion; below 1 KB as 1 KB."""
    for (low, *low_costs), (high, *high_costs) in pairwise(DOCUMENTED_RU):
        if kb <= high:
            share = max(0.0, (kb - low) / (high - low))
            before, after = low_costs[column - 1], high_costs[column - 1]
            return float(before + share * (after - before))
    raise ValueError(f"{kb} KB is more than the model knows")


# --- Prefect's database ---------------------------------------------------------------------------

PREFECT_ROWS = {
    "flow_run": 1,
    "flow_run_state": 4,
    "task_run": 4,
    "task_run_state": 12,
    "artifact": 1,
    "log": 9,
    "events": 16,
    "event_resources": 128,
}
"""Of a flow run of one execution; held by tests/acceptance/executions/test_prefect_rows.py."""

PREFECT_KB = {"runs": (31.0, 59.0), "events": (123.0, 130.0)}
"""On PostgreSQL with indexes, of a flow run of one execution and of a hundred, as
`python -m tests.benchmarks rows` measures it. `runs` is all that goes with its flow run.
"""

RETENTION_DAYS = {"runs": 90, "events": 7}
"""As compose.yaml and the embedded server have it."""


def prefect_gigabytes_a_day(rate: float) -> dict[str, float]:
    """Of flow runs and of events: what a day at this rate adds."""
    size = size_of(rate)
    return {
        what: size.flow_runs * 86_400 * _between(one, hundred, size.batch) / 1_000_000
        for what, (one, hundred) in PREFECT_KB.items()
    }


def prefect_gigabytes(rate: float, days: Mapping[str, float]) -> float:
    """What is kept once every retention has been reached."""
    a_day = prefect_gigabytes_a_day(rate)
    return sum(a_day[what] * days[what] for what in a_day)


def _between(one: float, hundred: float, batch: float) -> float:
    """KB of a flow run of so many executions: each adds as much as the one before."""
    return one + (hundred - one) / 99 * (batch - 1)


# --- what breaks first ----------------------------------------------------------------------------


def limits() -> list[tuple[str, float]]:
    """Executions per second at which each is at its limit, the lowest first."""
    found = [
        ("one worker", BUSY * 1000 / PROCESSOR_MS["worker"]),
        ("one listener", BUSY * 1000 / PROCESSOR_MS["listener"]),
        ("one Prefect server, flow runs of one", BUSY * 1000 / PREFECT_RUN_MS),
        (f"one Prefect server, batches of {BATCH_MAX}", BATCH_MAX * BUSY * 1000 / PREFECT_RUN_MS),
        ("one core of RabbitMQ", BUSY * 1000 / PROCESSOR_MS["rabbitmq"]),
        *(
            (
                f"one tenant: request units in {container}",
                PARTITION_RU / ru_of_an_execution(container),
            )
            for container in ("workflow_executions", "workflow_steps")
        ),
    ]
    return sorted(found, key=lambda one: one[1])


def executions_until_full(container: str) -> float:
    """Of one tenant, in millions."""
    return PARTITION_GB * 1_000_000 / kb_of_an_execution(container) / 1_000_000


# --- the page's tables ----------------------------------------------------------------------------


def tables() -> list[str]:
    """In Markdown, as they stand on the page."""
    return [
        _processes(),
        _traffic(),
        table(("container", "request", "times", "KB", "RU"), _request_rows()),
        table(("limit", "executions/s"), ((name, number(at)) for name, at in limits())),
        _tenants(),
        _kept_by_prefect(),
    ]


def _processes() -> str:
    heads = ("executions/s", "workers", "listeners", "APIs", "Prefect servers", "cores, all parts")
    sizes = [size_of(rate) for rate in RATES]
    return table(
        heads,
        (
            (
                number(size.rate),
                str(size.processes("worker")),
                str(size.processes("listener")),
                str(size.processes("api")),
                str(size.prefect_servers),
                number(sum(size.cores.values()) / BUSY),
            )
            for size in sizes
        ),
    )


def _traffic() -> str:
    heads = (
        "executions/s",
        "flow runs/s",
        "executions in one",
        "messages/s",
        "in the listeners' queue",
        "RabbitMQ, cores",
        "RU/s",
    )
    return table(
        heads,
        (
            (
                number(size.rate),
                number(size.flow_runs),
                number(size.batch),
                number(size.rate * MESSAGES),
                number(size.rate * INTAKE_MESSAGES),
                number(size.cores["rabbitmq"] / BUSY),
                number(size.rate * ru_of_an_execution()),
            )
            for size in map(size_of, RATES)
        ),
    )


def _request_rows() -> Iterable[Sequence[str]]:
    for one in requests():
        yield one.container, one.what, number(one.count), number(one.kb), number(one.ru)
    yield "", "an execution", "", "", number(ru_of_an_execution())
    yield "", "its deletion", "", "", number(sum(one.ru for one in deletion()))


def _tenants() -> str:
    heads = (
        *("container", "KB of an execution", "full after", "at 1/s", "at 10/s"),
        *(f"kept {days} days: up to" for days in KEPT_DAYS),
    )
    return table(
        heads,
        (
            (
                container,
                number(kb_of_an_execution(container)),
                f"{number(executions_until_full(container))} million",
                f"{number(executions_until_full(container) * 1e6 / 86_400)} days",
                f"{number(executions_until_full(container) * 1e5 / 86_400)} days",
                *(
                    f"{number(executions_until_full(container) * 1e6 / 86_400 / days)}/s"
                    for days in KEPT_DAYS
                ),
            )
            for container in ("workflow_executions", "workflow_steps")
        ),
    )


def _kept_by_prefect() -> str:
    retentions = [
        RETENTION_DAYS,
        {"runs": 14, "events": 7},
        {"runs": 14, "events": 1},
    ]
    heads = (
        "executions/s",
        "flow runs/s, at most",
        "GB a day: flow runs",
        "events",
        *(f"GB in all: {kept['runs']} and {kept['events']} days" for kept in retentions),
    )
    return table(
        heads,
        (
            (
                number(rate),
                number(size_of(rate).flow_runs),
                *(number(gigabytes) for gigabytes in prefect_gigabytes_a_day(rate).values()),
                *(number(prefect_gigabytes(rate, kept)) for kept in retentions),
            )
            for rate in RATES
        ),
    )


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """In Markdown."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def number(value: float) -> str:
    """Two digits of it: the model knows no more."""
    if value >= 100:
        return f"{float(f'{value:.2g}'):,.0f}"
    return f"{value:.2g}"


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.sizing.capacity", description=__doc__
    )
    parser.add_argument("--rate", type=float, help="instead: what so many executions/s need")
    parser.add_argument(
        "--price", type=float, help="of a million RU: what a million executions cost"
    )
    parser.add_argument("--result-kb", type=float, default=RESULT_KB, help="(%(default)s)")
    arguments = parser.parse_args()
    if arguments.rate:
        print(msgspec.json.encode(size_of(arguments.rate)).decode())
    if arguments.price:
        print(cost_of_a_million(arguments.price, arguments.result_kb))
    if not arguments.rate and not arguments.price:
        print("\n\n".join(tables()))


if __name__ == "__main__":
    main()
