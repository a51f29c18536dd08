"""Events that start operations: posted ones, and those of other services."""

from blocks.clock import utc_now
from blocks.contracts.operations.platform_events import POSTED, read_platform_event
from blocks.operations.events.posting import on_the_exchange
from blocks.operations.events.taking import take
from blocks.ports import Message
from listeners.context import Context


def is_of_operations(context: Context, message: Message) -> bool:
    """Whether the message is an event of this kind, whatever is in it."""
    return message.routing_key == POSTED or message.routing_key in context.triggers


async def take_in(context: Context, message: Message) -> str:
    """The event's outcome, see `take`. One that was posted is on the exchange, too, under its own
    type.

    Raises `Rejected`.
    """
    event = read_platform_event(message.body, received_at=utc_now())
    outcome = await take(context.store, context.bus, context.triggers, event)
    if message.routing_key == POSTED:
        await context.bus.publish(on_the_exchange(event))
    return outcome
