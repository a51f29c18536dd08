"""The queues of this system on the exchange `coder_events`; names and bindings are those the
platform documents.
"""

from blocks.contracts.events import CONSUMED, WEBHOOK_DUE, JobTrigger
from blocks.ports import Queue
from blocks.settings import Settings
from blocks.webhooks.retries import delays_of


def topology(settings: Settings) -> list[Queue]:
    """Every queue that must exist before this system starts."""
    return [intake_queue(settings), batch_jobs_queue(settings), webhooks_queue(settings)]


def intake_queue(settings: Settings) -> Queue:
    """What the listener reads: every event type this system consumes."""
    return Queue(name=settings.rabbitmq.queue, bindings=tuple(CONSUMED))


def batch_jobs_queue(settings: Settings) -> Queue:
    """What the batch workers of risk-analytics read. Declared here, so that no trigger is lost
    before they start.
    """
    return Queue(name=settings.rabbitmq.batch_jobs_queue, bindings=(JobTrigger.event_type,))


def webhooks_queue(settings: Settings) -> Queue:
    """The events that webhooks are notified of: those of approvals."""
    return Queue(
        name=settings.rabbitmq.webhooks_queue,
        bindings=("hitl.approval.*", WEBHOOK_DUE),
        max_attempts=len(delays_of(settings.webhooks.retry_delays_seconds)) + 1,
        has_long_delays=True,
    )
