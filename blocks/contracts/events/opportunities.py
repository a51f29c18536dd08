"""Events of the platform that an analysis begins with."""

from typing import Any, ClassVar

import msgspec

from blocks.contracts.events.base import EventData, Id, JsonObject


class OpportunityEvent(EventData, frozen=True, kw_only=True):
    """Base of the events that cause an analysis: what they carry beside the fields named here
    counts, too.
    """

    received: JsonObject = msgspec.field(default_factory=dict, name="$received")
    """What `data` carries beside the named fields; set where an event is decoded."""

    @property
    def as_input(self) -> JsonObject:
        """All that it carries: what an execution keeps of it."""
        named = msgspec.to_builtins(self)
        named.pop("$received", None)
        return {**named, **self.received}


class IntegrationOpportunityUpdated(OpportunityEvent, frozen=True, kw_only=True):
    """integration-manager saw an opportunity change in the CRM."""

    event_type: ClassVar[str] = "integration.opportunity.updated"
    opportunity_id: Id
    shard_id: str | None = None
    integration_id: str | None = None
    sync_task_id: str | None = None
    correlation_id: str | None = None
    changes: JsonObject | list[Any] | None = None
    """Field to value, field to `{old, new}`, or a list of `{field, old, new}`."""
    metadata: JsonObject | None = None


class ShardUpdated(OpportunityEvent, frozen=True, kw_only=True):
    """shard-manager changed a shard; it concerns us when its type is an opportunity."""

    event_type: ClassVar[str] = "shard.updated"
    shard_id: Id | None = None
    id: Id | None = None
    shard_type: str | None = None
    shard_type_name: str | None = None
    shard_type_id: str | None = None
    opportunity_id: Id | None = None
