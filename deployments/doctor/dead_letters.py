"""Messages that could not be processed."""

from blocks.ports import NotFound
from blocks.topology import topology
from deployments.doctor.finding import Finding, ok, warning
from deployments.doctor.patient import Patient


async def dead_letters(patient: Patient) -> list[Finding]:
    """A line for each queue that has some, or one that says that none has."""
    assert patient.bus
    found = []
    for queue in topology(patient.settings):
        try:
            count = await patient.bus.depth(queue.dead_letters)
        except NotFound:
            continue  # the queue's own line says so
        if count:
            todo = "their header x-reject-code says why each was refused; docs/events.md"
            found.append(warning("dead letters", f"{count} in {queue.dead_letters}", todo))
    return found or [ok("dead letters", "none")]
