"""Our own processes, by their heartbeats."""

from datetime import timedelta

from blocks.clock import TOLERANCE, utc_now
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.records import ProcessRecord
from blocks.queries import every
from deployments.doctor.connections import Connections
from deployments.doctor.finding import Finding, counted, failed, in_words, ok, warning

ROLES = ("listener", "worker")


async def processes(connections: Connections) -> list[Finding]:
    """A line for each role."""
    assert connections.store
    known = [
        stored.record async for stored in every(connections.store, SYSTEM_TENANT, ProcessRecord)
    ]
    lost_after = timedelta(seconds=connections.settings.worker.lost_after_seconds) + TOLERANCE
    return [_role(role, [one for one in known if one.role == role], lost_after) for role in ROLES]


def _role(role: str, known: list[ProcessRecord], lost_after: timedelta) -> Finding:
    part, start = f"{role}s", f"start one: `orchestrator {role}`"
    alive = [one for one in known if one.beat_at >= utc_now() - lost_after]
    if not known:
        return failed(part, "none has sent a heartbeat since the last one stopped", start)
    if not alive:
        silence = in_words(utc_now() - max(one.beat_at for one in known))
        return failed(part, f"none lives; the last heartbeat is {silence} old", start)
    if not any(one.ready for one in alive):
        return failed(
            part,
            f"{len(alive)} alive, none ready",
            "its log says what it waits for; is the broker there?",
        )
    return _alive(part, alive, len(known) - len(alive))


def _alive(part: str, alive: list[ProcessRecord], dead: int) -> Finding:
    runs = sum(len(one.flow_run_ids) for one in alive)
    found = f"{len(alive)} alive" + (
        f", with {counted(runs, 'flow run')}" if part == "workers" else ""
    )
    if unready := sum(not one.ready for one in alive):
        return warning(
            part, f"{found}, {unready} of them not ready", "its log says what it waits for"
        )
    return ok(part, found + (f"; {dead} died without a goodbye" if dead else ""))
