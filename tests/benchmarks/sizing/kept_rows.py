"""Rows: what a flow run leaves in Prefect's database, by table, with one execution and with a
hundred; and what is left of it when Prefect's retention is over.
"""

import asyncio
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import asyncpg
import msgspec

from blocks.contracts.records import DispatchPolicy
from blocks.tenants.dispatch_policy import change_policy
from tests.benchmarks.options import Options
from tests.benchmarks.report import Figure, Report
from tests.benchmarks.stage import Stage
from tests.benchmarks.system import System, events
from tests.support.waiting import eventually

EVENTS = ("events", "event_resources")
"""The tables whose rows go after `PREFECT_SERVER_EVENTS_RETENTION_PERIOD`; those of the others go
with their flow run.
"""

_CARRIED = {1: 100, 100: 20}
"""Executions of a flow run, and how many such runs are counted: enough that a page of eight
kilobytes that an index has begun hardly counts.
"""
_BEFORE = {1: 20, 100: 5}
"""Runs that are not counted: every table and index has its first pages."""

_SETTLED_SECONDS = 8.0
"""Prefect writes events five seconds after they came, at the latest."""


class Kept(msgspec.Struct, frozen=True):
    """Of one table; KB with its indexes, as they lie on the disk."""

    rows: int
    kilobytes: float


async def measure(stage: Stage, options: Options) -> Report:
    """On PostgreSQL; each execution is of the analysis that everything else is measured with."""
    question, parameters = "what Prefect keeps of a flow run", {"flow runs": str(_CARRIED)}
    if options.quick:
        return Report("rows", question, parameters, [], [], note="it needs PostgreSQL")
    figures: list[Figure] = []
    samples: list[dict[str, Any]] = []
    for executions, runs in _CARRIED.items():
        async with stage.system(DISPATCH_OPEN_SECONDS="0") as system:
            await system.start_all()
            await carried_out(system, runs=_BEFORE[executions], executions=executions)
            before = await kept_by_prefect(system)
            await carried_out(system, runs=runs, executions=executions)
            tables = of_a_run(before, await kept_by_prefect(system), runs)
        figures += [
            Figure(f"{executions} in a run: {what}", value, unit)
            for what, value, unit in summed(tables)
        ]
        samples += [
            {"executions": executions, "table": table, **kept} for table, kept in tables.items()
        ]
    return Report("rows", question, parameters, figures, samples)


async def carried_out(system: System, *, runs: int, executions: int) -> None:
    """So many flow runs have ended, each of a tenant of its own and with so many executions: they
    wait until all are there.
    """
    tenant_ids = [str(uuid4()) for _ in range(runs)]
    await _let_run(system, 0)
    await system.bus.publish(*events(runs * executions, *tenant_ids))
    await system.until_taken_in(tenant_ids, runs * executions, within_seconds=300)
    await _let_run(system, None)
    await system.until_ended(tenant_ids, runs * executions, within_seconds=1_200)
    carriers = {record.flow_run_id for record in await system.records.all(tenant_ids)}
    assert runs == len(carriers), f"{len(carriers)} flow runs in place of {runs}"


async def _let_run(system: System, most: int | None) -> None:
    def limited(policy: DispatchPolicy) -> DispatchPolicy:
        return msgspec.structs.replace(policy, running_max=most)

    await change_policy(system.store, system.bus, limited)


async def kept_by_prefect(system: System) -> Mapping[str, Kept]:
    """By table, once nothing is written any more; nothing where Prefect has SQLite."""
    url = system.server.database_url
    if not url.startswith("postgresql"):
        return {}
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        seen = [await _tables(connection)]

        async def is_settled() -> bool:
            await asyncio.sleep(_SETTLED_SECONDS)
            seen.append(await _tables(connection))
            return _rows(seen[-1]) == _rows(seen[-2])

        await eventually(is_settled, within_seconds=120)
        return seen[-1]
    finally:
        await connection.close()


async def _tables(connection: "asyncpg.Connection[Any]") -> dict[str, Kept]:
    names = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    size = "SELECT pg_total_relation_size($1::text::regclass)"
    return {
        name: Kept(
            await connection.fetchval(f'SELECT count(*) FROM "{name}"'),
            await connection.fetchval(size, name) / 1000,
        )
        for (name,) in names
    }


def _rows(tables: Mapping[str, Kept]) -> dict[str, int]:
    return {name: kept.rows for name, kept in tables.items()}


def of_a_run(
    before: Mapping[str, Kept], after: Mapping[str, Kept], runs: int
) -> dict[str, dict[str, float]]:
    """What each table has gained, the largest first; tables that gained nothing are left out."""
    gained = {
        name: {
            "rows": (kept.rows - before[name].rows) / runs,
            "kilobytes": (kept.kilobytes - before[name].kilobytes) / runs,
        }
        for name, kept in after.items()
        if kept != before[name]
    }
    by_size = sorted(gained.items(), key=lambda one: -one[1]["kilobytes"])
    return dict(by_size)


def summed(tables: Mapping[str, Mapping[str, float]]) -> list[tuple[str, float, str]]:
    """Of the run, and of its events, for which Prefect has a retention of its own."""
    parts = {
        "": [kept for name, kept in tables.items() if name not in EVENTS],
        " of events": [kept for name, kept in tables.items() if name in EVENTS],
    }
    return [
        (f"{what}{of}", sum(kept[what] for kept in of_these), "KB" if what == "kilobytes" else "")
        for of, of_these in parts.items()
        for what in ("rows", "kilobytes")
    ]
