"""Every check, and the connections it needs."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from deployments.doctor.checks.approvals import approvals
from deployments.doctor.checks.backups import backups
from deployments.doctor.checks.broker import broker
from deployments.doctor.checks.clocks import clocks
from deployments.doctor.checks.configuration import configuration
from deployments.doctor.checks.dead_letters import dead_letters
from deployments.doctor.checks.deployed import deployments, work_pool
from deployments.doctor.checks.journeys import journeys
from deployments.doctor.checks.neighbour_health import neighbours
from deployments.doctor.checks.processes import processes
from deployments.doctor.checks.reconciler import reconciler
from deployments.doctor.checks.store import store
from deployments.doctor.checks.versions import prefect_version, python_version
from deployments.doctor.checks.work import work
from deployments.doctor.connections import NAMES, Connections
from deployments.doctor.finding import Finding, failed

LIMIT_SECONDS = 10.0
"""For one check; they run concurrently."""


class Check(msgspec.Struct, frozen=True):
    """The part for findings about the check itself, the connections it needs, and the check."""

    part: str
    needs: tuple[str, ...]
    look: Callable[[Connections], Awaitable[Sequence[Finding]]]


CHECKS = (
    Check("python", (), python_version),
    Check("settings", (), configuration),
    Check("store", ("store",), store),
    Check("broker", ("bus",), broker),
    Check("Prefect server", ("prefect",), prefect_version),
    Check("work pool", ("prefect",), work_pool),
    Check("deployments", ("prefect",), deployments),
    Check("processes", ("store",), processes),
    Check("reconciler", ("store",), reconciler),
    Check("executions", ("store",), work),
    Check("journeys", ("store",), journeys),
    Check("approvals", ("store",), approvals),
    Check("dead letters", ("store", "bus"), dead_letters),
    Check("backups", (), backups),
    Check("services", (), neighbours),
    Check("clocks", (), clocks),
)


async def examine(connections: Connections) -> list[Finding]:
    """The findings of all checks, in order; those that need an unavailable part are left out."""
    possible = [check for check in CHECKS if all(connections.has(door) for door in check.needs)]
    found = await asyncio.gather(*(_look(check, connections) for check in possible))
    return [
        *(_with_consequences(death) for death in connections.unavailable),
        *(one for many in found for one in many),
    ]


async def _look(check: Check, connections: Connections) -> Sequence[Finding]:
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            return await check.look(connections)
    except TimeoutError:
        reason = f"this check did not end in {LIMIT_SECONDS:g} s"
    except Exception as error:
        reason = f"this check failed: {' '.join(str(error).split()) or type(error).__name__}"
    return [
        failed(check.part, reason, "look at the part itself, and run `orchestrator doctor` again")
    ]


def _with_consequences(death: Finding) -> Finding:
    """The finding with the checks that are impossible without the part."""
    unseen = [
        check.part for check in CHECKS if any(NAMES[door] == death.part for door in check.needs)
    ]
    others = ", ".join(part for part in unseen if part != death.part)
    return msgspec.structs.replace(
        death, found=f"{death.found}; not looked at without it: {others}"
    )
