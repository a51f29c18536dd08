"""Events of batch jobs."""

from typing import ClassVar

from blocks.contracts.events.base import EventData, Id, JsonObject, Uuid
from blocks.contracts.reading.moments import Moment


class JobTrigger(EventData, frozen=True, kw_only=True):
    """Starts a job at the batch workers; published under the system tenant."""

    event_type: ClassVar[str] = "workflow.job.trigger"
    job: str
    metadata: JsonObject
    triggered_by: str
    timestamp: Moment


class JobUnreported(EventData, frozen=True, kw_only=True):
    """For operators: how a job ended is unknown: no report in time, or its trigger was not sent."""

    event_type: ClassVar[str] = "workflow.job.unreported"
    job: str
    execution_id: Uuid
    triggered_by: str
    triggered_at: Moment
    error: str
    timestamp: Moment


class JobCompleted(EventData, frozen=True, kw_only=True):
    """A batch worker has done a job; the event does not name the trigger that it answers."""

    event_type: ClassVar[str] = "workflow.job.completed"
    job: Id
    status: str | None = None
    completed_at: Moment | None = None


class JobFailed(EventData, frozen=True, kw_only=True):
    """A batch worker could not do a job; the event does not name the trigger that it answers."""

    event_type: ClassVar[str] = "workflow.job.failed"
    job: Id
    error: str | None = None
    failed_at: Moment | None = None
