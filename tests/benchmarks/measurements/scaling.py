"""Scaling: what one execution costs in a small burst and in a large one."""

from typing import Any

from tests.benchmarks.measurements.burst import burst
from tests.benchmarks.options import Options
from tests.benchmarks.percentiles import median
from tests.benchmarks.report import Figure, Report
from tests.benchmarks.stage import Database, Stage

_NOT_THE_SYSTEM = {"services", "observer", "not ours"}


async def measure(stage: Stage, options: Options) -> Report:
    """Each burst meets a fresh system. Cost is time per execution, and processor time of all parts
    per execution.
    """
    counts = [10, 20, 40] if options.quick else [500, 2000, 8000]
    rounds = options.turns(2)
    database: Database = "sqlite" if options.quick else "postgresql"
    samples = []
    for _ in range(rounds):
        for count in counts:
            async with stage.system(
                prefect=database, bus="embedded" if options.quick else "rabbitmq"
            ) as system:
                await system.start_all()
                samples.append(await burst(system, count))
    for sample in samples:
        parts = {
            name: seconds
            for name, seconds in sample["processor_seconds"].items()
            if name not in _NOT_THE_SYSTEM
        }
        sample["ms_each"] = 1000 / sample["per_second"]
        sample["processor_ms_each"] = 1000 * sum(parts.values()) / sample["executions"]
    small, large = counts[0], counts[-1]
    time_ratio = _typical(samples, large, "ms_each") / _typical(samples, small, "ms_each")
    work_ratio = _typical(samples, large, "processor_ms_each") / _typical(
        samples, small, "processor_ms_each"
    )
    limit = None if options.quick else 1.3
    figures = [
        *(
            Figure(f"{count} events: time each", _typical(samples, count, "ms_each"), "ms")
            for count in counts
        ),
        *(
            Figure(
                f"{count} events: processor", _typical(samples, count, "processor_ms_each"), "ms"
            )
            for count in counts
        ),
        Figure(f"{large} : {small}, time each", time_ratio, "×", at_most=limit),
        Figure(f"{large} : {small}, processor time each", work_ratio, "×", at_most=limit),
    ]
    return Report(
        "scaling", "cost per execution", {"counts": counts, "rounds": rounds}, figures, samples
    )


def _typical(samples: list[dict[str, Any]], count: int, key: str) -> float:
    return median([sample[key] for sample in samples if sample["executions"] == count])
