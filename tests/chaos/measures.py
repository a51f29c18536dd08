"""How long things took, read from the records and from the log of faults after the run."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from blocks.contracts.records import ExecutionRecord
from tests.benchmarks.percentiles import percentile
from tests.benchmarks.report import Figure
from tests.chaos.faults import Struck

_BEFORE_SECONDS, _AFTER_SECONDS = 1.0, 3.0
"""So long before a fault and after the recovery from it the system does not count as healthy."""

_TRAFFIC_SECONDS = 20.0
"""If nothing came in for so long after a restart, the traffic was over."""


def figures(
    struck: Sequence[Struck], sent: Mapping[str, float], executions: Sequence[ExecutionRecord]
) -> list[Figure]:
    """Those for which the run had an occasion. `sent` says when each event was published,
    successfully.
    """
    taken_in = _taken_in(executions)
    delays = {id: taken_in[id] - sent[id] for id in sent.keys() & taken_in.keys()}
    healthy = [delay for id, delay in delays.items() if _is_healthy(sent[id], struck)]
    alone = [one for one in struck if _was_alone(one, struck)]
    others = [one for one in struck if one not in alone]
    measured = (
        ("published → recorded when healthy, p99", healthy, 99, 1.0),
        ("published → recorded, outages included, longest", list(delays.values()), 100, None),
        (
            "broker back → consuming again, longest",
            list(_resumptions(struck, taken_in.values())),
            100,
            10.0,
        ),
        ("listener started → consuming again, longest", _restarts("listener", alone), 100, 10.0),
        ("the same while other parts were broken, too", _restarts("listener", others), 100, None),
        ("worker killed → its executions went on, longest", _moves(alone), 100, 10.0),
        ("the same while other parts were broken, too", _moves(others), 100, None),
    )
    return [
        Figure(f"{name} ({len(values)})", percentile(values, percent), "s", at_most=bound)
        for name, values, percent, bound in measured
        if values
    ]


def _taken_in(executions: Sequence[ExecutionRecord]) -> dict[str, float]:
    """Event id to the moment at which a listener made a record of it."""
    return {
        trigger.event_id: trigger.received_at.timestamp()
        for one in executions
        for trigger in one.triggers
    }


def _is_healthy(moment: float, struck: Sequence[Struck]) -> bool:
    return not any(
        one.began - _BEFORE_SECONDS <= moment <= one.recovered + _AFTER_SECONDS for one in struck
    )


def _was_alone(fault: Struck, struck: Sequence[Struck]) -> bool:
    """Nothing else was broken from shortly before it until its executions were in other hands and
    it was back.
    """
    over = max(fault.recovered, fault.began + (fault.executions_moved_seconds or 0.0))
    others = (one for one in struck if one is not fault)
    return not any(
        one.began <= over and one.recovered + _AFTER_SECONDS >= fault.began for one in others
    )


def _resumptions(struck: Sequence[Struck], received: Iterable[float]) -> Iterator[float]:
    """From the moment the broker answered again to the first event taken in."""
    moments = sorted(received)
    for fault in struck:
        if fault.target == "broker":
            first = next((moment for moment in moments if moment > fault.up), None)
            if first is not None and first - fault.up < _TRAFFIC_SECONDS:
                yield first - fault.up


def _restarts(role: str, struck: Sequence[Struck]) -> list[float]:
    return [
        one.recovered - one.up
        for one in struck
        if one.kind == "kill" and one.target.startswith(role)
    ]


def _moves(struck: Sequence[Struck]) -> list[float]:
    return [
        one.executions_moved_seconds for one in struck if one.executions_moved_seconds is not None
    ]
