"""One run of the doctor: repair if asked to, examine, report."""

import logging
from contextlib import suppress

from api.reconciler import Parts, drifts
from blocks.ports import Unavailable
from blocks.settings import Settings
from deployments.doctor.checks.table import examine
from deployments.doctor.connections import Connections, connect
from deployments.doctor.finding import EXIT_CODES, failed, worst
from deployments.doctor.report import print_json, print_report


async def visit(settings: Settings, *, as_json: bool, fix: bool) -> int:
    """The report is printed; returns the exit code."""
    logging.disable()  # what the parts log about failures is in the findings
    async with connect(settings) as connections:
        repairs = await _repair(connections) if fix else None
        findings = await examine(connections)
        if fix and repairs is None:
            findings.append(
                failed(
                    "repairs",
                    "none was done: they need store, broker and Prefect",
                    "mend those first",
                )
            )
    (print_json if as_json else print_report)(findings, repairs)
    return EXIT_CODES[worst(findings)]


async def _repair(connections: Connections) -> dict[str, int] | None:
    """The reconciler's repairs per kind; None if a part is unavailable that they need."""
    if connections.store is None or connections.bus is None or connections.flow_runs is None:
        return None
    parts = Parts.of(
        connections.settings, connections.store, connections.bus, connections.flow_runs
    )
    repairs = {}
    for drift in drifts(parts):
        with suppress(Unavailable):  # the examination reports the part
            await drift.look()
        repairs[drift.kind] = drift.repairs
    return repairs
