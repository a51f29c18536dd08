"""The queues exist as declared, and have consumers."""

from collections.abc import Sequence

from blocks.ports import EventBus, Mismatch, NotFound, Queue, QueueView
from blocks.settings import RabbitMQ
from blocks.topology import topology
from deployments.doctor.connections import Connections
from deployments.doctor.finding import Finding, counted, failed, ok, warning
from deployments.doctor.rabbitmq_management import NoAnswer, in_hand

PART = "queues"
BOOTSTRAP = "run `orchestrator bootstrap`"

DEEP = 1_000
"""From this many waiting messages on, a queue is reported."""


async def broker(connections: Connections) -> list[Finding]:
    """The broker's version, and a line for each queue."""
    assert connections.bus
    version = ok("broker", await connections.bus.describe())
    queues = topology(connections.settings)
    found = [await _queue(connections.bus, queue) for queue in queues]
    return [version, *found, *await _in_hand(connections.settings.rabbitmq, queues)]


async def _queue(bus: EventBus, queue: Queue) -> Finding:
    try:
        view = await bus.inspect(queue)
    except NotFound:
        return failed(
            PART, f"{queue.name} does not exist: what is published for it is lost", BOOTSTRAP
        )
    if view.mismatch:
        return _otherwise(view, view.mismatch)
    return _judged(f"{queue.name}: {_in_words(view)}", view, is_ours=not queue.is_neighbours)


def _otherwise(view: QueueView, mismatch: Mismatch) -> Finding:
    """A neighbour that consumes its queue copes with how it is; one that declares it is refused."""
    is_read = mismatch.is_neighbours and view.consumers
    return (warning if is_read else failed)(PART, f"{mismatch}; {_in_words(view)}", mismatch.todo)


async def _in_hand(rabbitmq: RabbitMQ, queues: Sequence[Queue]) -> list[Finding]:
    """Only RabbitMQ's management plugin reports it; empty if no address of it is configured."""
    if not rabbitmq.management_url:
        return []
    try:
        held = {queue.name: await in_hand(rabbitmq, queue.name) for queue in queues}
    except NoAnswer as error:
        todo = "is the plugin rabbitmq_management enabled, may the user see it (tag `management`)?"
        return [warning("broker", f"management (RABBITMQ_MANAGEMENT_URL): {error}", todo)]
    return [
        ok("broker", "in hand: " + ", ".join(f"{count} of {name}" for name, count in held.items()))
    ]


def _judged(found: str, view: QueueView, *, is_ours: bool) -> Finding:
    if view.consumers == 0 and is_ours:
        return failed(
            PART, f"{found}; it has no consumer", "start a listener: `orchestrator listener`"
        )
    if view.consumers == 0:
        return warning(
            PART, f"{found}; it has no consumer", "start the batch workers that carry out the jobs"
        )
    if view.ready >= DEEP:
        return warning(
            PART, f"{found}; its readers do not keep up", "start more of them; docs/performance.md"
        )
    return ok(PART, found)


def _in_words(view: QueueView) -> str:
    in_hand = "" if view.in_hand is None else f", {view.in_hand} in hand"
    consumers = "" if view.consumers is None else f", {counted(view.consumers, 'consumer')}"
    return f"{view.ready} waiting{in_hand}{consumers}"
