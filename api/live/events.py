"""Which events a tenant can follow, and how it sees them."""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from api.http.documents import Document
from blocks.clock import utc_now
from blocks.contracts import events
from blocks.contracts.about import About
from blocks.contracts.envelope import SERVICE, Event, UnknownEventType, decode_event
from blocks.contracts.events import EventData, JsonObject
from blocks.contracts.rejections import Rejected
from blocks.contracts.workflows import WORKFLOWS
from blocks.ports import Message

_OF_APPROVALS: tuple[type[EventData], ...] = (
    events.HitlApprovalRequested,
    events.HitlApprovalReminded,
    events.HitlApprovalEscalated,
    events.HitlApprovalAdvanced,
    events.HitlApprovalQuestioned,
    events.HitlApprovalAnswered,
    events.HitlApprovalCompleted,
)

_WORKFLOW_OF = {
    event: workflow.name for workflow in WORKFLOWS.values() for event in workflow.live_events
}

LIVE: Mapping[str, type[EventData]] = {
    data.event_type: data for data in (*_WORKFLOW_OF, *_OF_APPROVALS)
}
"""The lifecycle of executions and of their approvals; requests to other services stay internal."""


class LiveEvent(Document, frozen=True, kw_only=True):
    """Something that happened to an execution or an approval, as it was published."""

    event_id: str
    type: str
    timestamp: datetime
    tenant_id: str
    execution_id: str | None = None
    workflow: str | None = None
    subject: str | None = None
    data: JsonObject
    """As documented in docs/events.md, by type."""


def live_event(message: Message) -> LiveEvent | None:
    """What a tenant sees of this message; None: nothing, it is not of this service or not of these
    types.
    """
    if message.cut_from is not None:
        return None
    try:
        event = decode_event(message.body, received_at=utc_now(), types=LIVE)
    except (Rejected, UnknownEventType):
        return None
    return (
        _shown(event, _about(event, About.parse(message.headers)))
        if event.source == SERVICE
        else None
    )


def _about(event: Event[EventData], stated: About) -> About:
    """From the headers; for an older publisher, from the data."""
    execution_id, subject = (
        getattr(event.data, "workflow_id", None),
        getattr(event.data, "opportunity_id", None),
    )
    return About(
        execution_id=stated.execution_id or execution_id,
        workflow=stated.workflow or _WORKFLOW_OF.get(type(event.data)),
        subject=stated.subject or subject,
    )


def _shown(event: Event[EventData], about: About) -> LiveEvent:
    return LiveEvent(
        event_id=event.id,
        type=event.type,
        timestamp=event.timestamp,
        tenant_id=event.tenant_id,
        execution_id=about.execution_id,
        workflow=about.workflow,
        subject=about.subject,
        data=msgspec.to_builtins(event.data),
    )
