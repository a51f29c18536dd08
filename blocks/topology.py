"""The queues of this system on the exchange `coder_events`; names and bindings are those the platform documents."""

from blocks.contracts.events import CONSUMED, JobTrigger
from blocks.ports import Queue
from blocks.settings import Settings


def topology(settings: Settings) -> list[Queue]:
    """Every queue that must exist before this system starts."""
    return [intake_queue(settings), batch_jobs_queue(settings)]


def intake_queue(settings: Settings) -> Queue:
    """What the listener reads: every event type this system consumes."""
    return Queue(name=settings.rabbitmq.queue, bindings=tuple(CONSUMED))


def batch_jobs_queue(settings: Settings) -> Queue:
    """What the batch workers of risk-analytics read. Declared here, so that no trigger is lost before they start."""
    return Queue(name=settings.rabbitmq.batch_jobs_queue, bindings=(JobTrigger.event_type,))
