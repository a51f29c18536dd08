"""What every process counts and times, for Prometheus; docs/observability.md lists it.

Purpose: the outcomes of executions, steps and approvals (`work`), and their exposition
(`exposition`). Ports are measured by layers around them (`blocks.adapters`), the process itself by
`blocks.processes.metrics`; what only one package knows is defined there (`listeners/metrics.py`).
Contract: every label value is one of a few that the code names; any other value from outside
becomes `other`. Never a tenant, an id or free text: each new value is a series that Prometheus
keeps for ever.
Pitfalls: the registry is the process's; two of a kind in one process (as in tests) add up.
"""

from collections.abc import Collection

from prometheus_client import disable_created_metrics

# They would double the series, and no dashboard reads them.
disable_created_metrics()  # type: ignore[no-untyped-call] # the library has no annotation here

OTHER = "other"

SECONDS_OF_A_CALL = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
SECONDS_OF_WORK = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600)
SECONDS_OF_PEOPLE = (
    60,
    300,
    900,
    3600,
    4 * 3600,
    8 * 3600,
    24 * 3600,
    3 * 24 * 3600,
    7 * 24 * 3600,
)


def known(value: str | None, values: Collection[str]) -> str:
    """The value, if it is one of these; else `other`."""
    return value if value is not None and value in values else OTHER
