"""Triggers: which event opens an execution of which workflow, for which subject and with what
input.

One line per type of event. `Intake` opens the execution, or lets a pending one absorb the event.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from blocks.contracts import analysis
from blocks.contracts.events import (
    EventData,
    IntegrationOpportunityUpdated,
    JsonObject,
    OpportunityEvent,
    ShardUpdated,
)

OPPORTUNITY_SHARD_TYPES = frozenset({"opportunity", "c_opportunity", "Opportunity"})


class TriggerRule(msgspec.Struct, frozen=True, kw_only=True):
    """What one type of event opens."""

    workflow: str
    """Its name in the registry."""
    subject: Callable[[Any], str | None]
    """What the event is about, as the event spells it; None: it is about nothing that the workflow
    works on.
    """
    input: Callable[[Any], JsonObject]
    """What the execution starts with."""


def _opportunity_of_shard(data: ShardUpdated) -> str | None:
    """The opportunity's own events name the same id."""
    if not {data.shard_type, data.shard_type_name} & OPPORTUNITY_SHARD_TYPES:
        return None
    return data.opportunity_id or data.shard_id or data.id


def _facts(data: OpportunityEvent) -> JsonObject:
    return data.as_input


TRIGGERS: Mapping[type[EventData], TriggerRule] = {
    IntegrationOpportunityUpdated: TriggerRule(
        workflow=analysis.WORKFLOW, subject=lambda data: data.opportunity_id, input=_facts
    ),
    ShardUpdated: TriggerRule(
        workflow=analysis.WORKFLOW, subject=_opportunity_of_shard, input=_facts
    ),
}


def priority_of(data: EventData) -> int:
    """A whole number from 0 to 9 in the event's `metadata.priority`; 0 when it states nothing of
    the kind.
    """
    stated = (getattr(data, "metadata", None) or {}).get("priority")
    return stated if type(stated) is int and 0 <= stated <= 9 else 0
