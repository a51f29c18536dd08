"""How a simulated service answers a request, and what all of them share.

The data is drawn from the opportunity's id, so an opportunity has the same risks and the same
forecast each time.
"""

import random
from collections.abc import Callable
from uuid import UUID

import msgspec

from blocks.contracts.events import JsonObject, StepRequested

Reply = tuple[str, JsonObject]
"""An event: its type, its data."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """How one step is answered: the events at the start, at success and at failure."""

    service: str
    started: Callable[[StepRequested], list[Reply]]
    completed: Callable[[StepRequested], list[Reply]]
    failed: Callable[[StepRequested], list[Reply]]

    @property
    def queue(self) -> str:
        return f"{self.service.replace('-', '_')}_service"


def about(request: StepRequested, **data: object) -> JsonObject:
    """Event data about the request's opportunity."""
    return {"opportunityId": request.opportunity_id, **data}


def draw_for(request: StepRequested, what: str) -> random.Random:
    """The same opportunity draws the same numbers."""
    return random.Random(f"{what}:{request.opportunity_id}")


def same_id(request: StepRequested, what: str) -> str:
    """The same request has the same evaluation, forecast, … however often it is delivered."""
    return str(UUID(int=random.Random(f"{what}:{request.step_id}").getrandbits(128), version=4))
