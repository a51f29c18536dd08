"""What the handlers of events work with."""

import msgspec

from blocks.operations.events.taking import Triggers
from blocks.ports import EventBus, RecordStore
from listeners.triggers.intake import Intake


class Context(msgspec.Struct, frozen=True):
    """The open store and bus, and what opens executions."""

    store: RecordStore
    bus: EventBus
    intake: Intake
    triggers: Triggers = {}
    """Which operations an event of the platform starts."""
    is_bridged: bool = False
    """Whether such events go to Redis, too."""
