"""Peers: the same burst here, in Celery and in BullMQ, taken in turns."""

from typing import Any

from tests.benchmarks.measurements.burst import burst
from tests.benchmarks.options import Options
from tests.benchmarks.peers.queues import PEERS, why_not_installed
from tests.benchmarks.percentiles import median
from tests.benchmarks.report import Figure, Report
from tests.benchmarks.stage import Bus, Database, Stage
from tests.benchmarks.system import TENANTS

_MAIN, _EMBEDDED, _TWICE = "RabbitMQ, PostgreSQL", "all embedded", "two workers, two listeners"
_OURS: dict[str, tuple[Database, Bus, int]] = {
    _MAIN: ("postgresql", "rabbitmq", 1),
    _EMBEDDED: ("sqlite", "embedded", 1),
    _TWICE: ("postgresql", "rabbitmq", 2),
}
_OURS_ALONE = ("worker", "listener", "api")
_NOT_OF_THE_WAY = {"observer", "not ours", "services"}

Sample = dict[str, Any]


async def measure(stage: Stage, options: Options) -> Report:
    """Four steps that are answered at once; every way starts from empty queues and tables."""
    count, rounds = options.count(2000, 20), options.turns(3)
    ours = [_EMBEDDED] if options.quick else list(_OURS)
    missing = await why_not_installed()
    peers = [] if missing else list(PEERS)
    turns = [*ours[:1], *peers, *ours[1:]]
    samples = [
        {"round": number, "way": way, **await _taken(stage, way, count)}
        for number in range(1, rounds + 1)
        for way in turns
    ]
    for sample in samples:
        sample["processor_ms_each"] = {
            name: 1000 * seconds / sample["executions"]
            for name, seconds in sample["processor_seconds"].items()
            if name not in _NOT_OF_THE_WAY
        }
    parameters = {"events": count, "rounds": rounds, "tenants": TENANTS}
    note = f"Celery and BullMQ are left out, they could not be installed: {missing}"
    figures = _rates(samples) + ([] if options.quick else _judged(samples))
    question = "the same burst in each of them"
    return Report("peers", question, parameters, figures, samples, note if missing else "")


async def _taken(stage: Stage, way: str, count: int) -> Sample:
    if way in PEERS:
        return await PEERS[way](stage, count)
    database, bus, of_each = _OURS[way]
    async with stage.system(prefect=database, bus=bus) as system:
        await system.start_all(of_each=of_each)
        return await burst(system, count)


def _rates(samples: list[Sample]) -> list[Figure]:
    return [
        Figure(
            way,
            median(_of(samples, way)),
            "executions/s",
            at_least=600 if way == _EMBEDDED and _MAIN in _ways(samples) else None,
        )
        for way in _ways(samples)
    ]


def _judged(samples: list[Sample]) -> list[Figure]:
    processor = median(
        [
            sum(sample["processor_ms_each"][part] for part in _OURS_ALONE)
            for sample in samples
            if sample["way"] == _MAIN
        ]
    )
    ratios = [
        Figure(f"{_MAIN} : {peer}", _ratio(samples, _MAIN, peer), "×", at_least=goal)
        for peer, goal in (("Celery", 2), ("BullMQ", None))
        if peer in _ways(samples)
    ]
    return [
        *ratios,
        Figure("worker, listener and API", processor, "ms of processor each", at_most=3.5),
        Figure(f"{_TWICE} : one", _ratio(samples, _TWICE, _MAIN), "×", at_least=1),
    ]


def _ratio(samples: list[Sample], way: str, other: str) -> float:
    """The median of the rounds' own ratios: what slows a whole round down is in both."""
    pairs = zip(_of(samples, way), _of(samples, other), strict=True)
    return median([one / another for one, another in pairs])


def _of(samples: list[Sample], way: str) -> list[float]:
    return [sample["per_second"] for sample in samples if sample["way"] == way]


def _ways(samples: list[Sample]) -> list[str]:
    return list(dict.fromkeys(sample["way"] for sample in samples))
