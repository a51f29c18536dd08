"""The queues exist as they were declared, and somebody reads them."""

from blocks.ports import EventBus, NotFound, Queue, QueueView
from blocks.topology import batch_jobs_queue, topology
from deployments.doctor.finding import Finding, counted, failed, ok, warning
from deployments.doctor.patient import Patient

PART = "queues"
BOOTSTRAP = "run `orchestrator bootstrap`"

DEEP = 1_000
"""So many waiting messages are worth a look."""


async def broker(patient: Patient) -> list[Finding]:
    """The broker's version, and a line for each queue."""
    assert patient.bus
    version = ok("broker", await patient.bus.describe())
    others = batch_jobs_queue(patient.settings).name
    queues = topology(patient.settings)
    return [version, *[await _queue(patient.bus, queue, is_ours=queue.name != others) for queue in queues]]


async def _queue(bus: EventBus, queue: Queue, *, is_ours: bool) -> Finding:
    try:
        view = await bus.inspect(queue)
    except NotFound:
        return failed(PART, f"{queue.name} does not exist: what is published for it is lost", BOOTSTRAP)
    if view.mismatch:
        todo = f"drain and delete it, then {BOOTSTRAP}"
        return failed(PART, f"{queue.name} exists, but not as declared: {view.mismatch}", todo)
    return _judged(f"{queue.name}: {_in_words(view)}", view, is_ours=is_ours)


def _judged(found: str, view: QueueView, *, is_ours: bool) -> Finding:
    if view.consumers == 0 and is_ours:
        return failed(PART, f"{found}; nobody reads it", "start a listener: `orchestrator listener`")
    if view.consumers == 0:
        return warning(PART, f"{found}; nobody reads it", "start the batch workers that carry out the jobs")
    if view.ready >= DEEP:
        return warning(PART, f"{found}; its readers do not keep up", "start more of them; docs/performance.md")
    return ok(PART, found)


def _in_words(view: QueueView) -> str:
    in_hand = "" if view.in_hand is None else f", {view.in_hand} in hand"
    consumers = "" if view.consumers is None else f", {counted(view.consumers, 'consumer')}"
    return f"{view.ready} waiting{in_hand}{consumers}"
