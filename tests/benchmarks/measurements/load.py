"""A steady load: what each rate uses and how long executions take, beside what the model of
`tests/benchmarks/sizing/capacity.py` says; and what Prefect's database keeps of them.
"""

import asyncio
import time
from itertools import cycle
from typing import Any

from tests.benchmarks.measurements.latency import Stopwatch, stopwatch
from tests.benchmarks.options import Options
from tests.benchmarks.percentiles import percentile
from tests.benchmarks.report import Figure, Report
from tests.benchmarks.sizing import capacity
from tests.benchmarks.sizing.kept_rows import kept_by_prefect, of_a_run, summed
from tests.benchmarks.stage import Stage
from tests.benchmarks.system import System, some_tenants, used

_RATES, _SECONDS = (2, 5, 10, 20, 40), 30.0
_OURS = (*capacity.PROCESSOR_MS, "prefect")


async def measure(stage: Stage, options: Options) -> Report:
    """The rates one after the other on one system: events at even distances, of four tenants in
    turn. `--events` is the number of each rate.
    """
    rates = (4,) if options.quick else _RATES
    seconds = 2.0 if options.quick else _SECONDS
    samples: list[dict[str, Any]] = []
    async with stage.system() as system:
        await system.start_all()
        before = await kept_by_prefect(system)
        async with stopwatch(system) as watch:
            for rate in rates:
                count = options.events or int(rate * seconds)
                samples.append(await offered(system, watch, rate, count))
        await asyncio.sleep(system.settings.dispatch.open_seconds)  # the last runs have ended
        after = await kept_by_prefect(system)
    runs = sum(sample["flow_runs"] for sample in samples)
    figures = [Figure(f"{one['rate']}/s: ended p95", one["p95"], "s") for one in samples]
    figures += [
        Figure(f"of a flow run: {what}", value, unit)
        for what, value, unit in summed(of_a_run(before, after, runs))
    ]
    return Report("load", "a steady load, and the model", {"rates": rates}, figures, samples)


async def offered(system: System, watch: Stopwatch, rate: float, count: int) -> dict[str, Any]:
    """So many events a second; from each to its end."""
    tenant_ids = some_tenants()
    before, began = system.processor_seconds(), time.monotonic()
    timing = []
    for number, tenant_id in zip(range(count), cycle(tenant_ids), strict=False):
        await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))
        timing.append(asyncio.create_task(watch.time(tenant_id)))
    lasted = [ended for _, ended in await asyncio.gather(*timing)]
    seconds = time.monotonic() - began
    spent = used(before, system.processor_seconds())
    runs = {record.flow_run_id for record in await system.records.all(tenant_ids)}
    predicted = capacity.size_of(rate)
    return {
        "rate": rate,
        "p50": percentile(lasted, 50),
        "p95": percentile(lasted, 95),
        "flow_runs": len(runs),
        "flow_runs_per_second": len(runs) / seconds,
        "predicted_flow_runs_per_second": predicted.flow_runs,
        "executions_of_a_run": count / len(runs),
        "machine_busy": sum(spent.values()) / seconds,
        "cores": {name: spent[name] / seconds for name in _OURS if name in spent},
        "predicted_cores": {name: predicted.cores[name] for name in _OURS if name in spent},
    }
