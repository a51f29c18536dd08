"""The queues of this system on the exchange `coder_events`; names and bindings are those the
platform documents.
"""

import msgspec

from blocks.contracts.events import (
    CONSUMED,
    RUN_EVENTS,
    WEBHOOK_DUE,
    JobTrigger,
)
from blocks.contracts.jobs import JOB_BY_ID
from blocks.contracts.operations.platform_events import POSTED, TAKEN
from blocks.ports import Message, Queue
from blocks.settings import Settings
from blocks.webhooks.retries import delays_of


def topology(settings: Settings) -> list[Queue]:
    """Every queue that must exist before this system starts."""
    bridge = [redis_queue(settings)] if settings.operations.redis_url else []
    return [intake_queue(settings), *neighbours_queues(settings), webhooks_queue(settings), *bridge]


def neighbours_queues(settings: Settings) -> list[Queue]:
    """Those of the batch workers to which this system sends."""
    cais = [cais_batch_jobs_queue(settings)] if settings.batch_jobs.cais_learning_enabled else []
    return [batch_jobs_queue(settings), *cais]


def intake_queue(settings: Settings) -> Queue:
    """What the listener reads: every event type this system consumes, and those that start
    operations.
    """
    of_operations = (POSTED, *settings.operations.event_types)
    return Queue(name=settings.rabbitmq.queue, bindings=(*CONSUMED, *of_operations))


def batch_jobs_queue(settings: Settings) -> Queue:
    """What the batch workers of risk-analytics read. Declared here as they do it, so that no
    trigger is lost before they start.
    """
    return _of_batch_workers(settings.rabbitmq.batch_jobs_queue)


def cais_batch_jobs_queue(settings: Settings) -> Queue:
    """What the batch worker of adaptive-learning reads, for the job `cais-learning`."""
    return _of_batch_workers(settings.rabbitmq.cais_batch_jobs_queue)


def queue_needed(settings: Settings, message: Message) -> str | None:
    """The queue that this message must be in, whatever else is bound for it: that of the batch
    worker that carries out the job. None: any.
    """
    if message.routing_key != JobTrigger.event_type:
        return None
    try:
        job = JOB_BY_ID.get(msgspec.json.decode(message.body, type=_Trigger).data.job)
    except msgspec.DecodeError:  # what `orchestrator emit` may send
        return None
    queues = {
        "risk-analytics": settings.rabbitmq.batch_jobs_queue,
        "adaptive-learning": settings.rabbitmq.cais_batch_jobs_queue,
    }
    return queues[job.worker] if job else None


def webhooks_queue(settings: Settings) -> Queue:
    """The events that webhooks are notified of: those of approvals."""
    return Queue(
        name=settings.rabbitmq.webhooks_queue,
        bindings=("hitl.approval.*", WEBHOOK_DUE),
        max_attempts=len(delays_of(settings.webhooks.retry_delays_seconds)) + 1,
        has_long_delays=True,
    )


def redis_queue(settings: Settings) -> Queue:
    """What goes to Redis: events that were taken in, and those of operations' runs."""
    of_runs = (data.event_type for data in RUN_EVENTS)
    return Queue(name=f"{settings.rabbitmq.queue}_redis", bindings=(TAKEN, *of_runs))


def _of_batch_workers(name: str) -> Queue:
    return Queue(name=name, bindings=(JobTrigger.event_type,), is_neighbours=True)


class _Named(msgspec.Struct, frozen=True):
    job: str


class _Trigger(msgspec.Struct, frozen=True):
    data: _Named
