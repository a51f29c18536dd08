"""Events that start operations: posted ones, and those of other services."""

from blocks.clock import utc_now
from blocks.contracts.operations.platform_events import POSTED, TAKEN, read_platform_event
from blocks.operations.events.posting import VIA, as_message, on_the_exchange
from blocks.operations.events.taking import take
from blocks.ports import Message
from listeners.context import Context


def is_of_operations(context: Context, message: Message) -> bool:
    """Whether the message is an event of this kind, whatever is in it."""
    return message.routing_key == POSTED or message.routing_key in context.triggers


async def take_in(context: Context, message: Message) -> str:
    """The event's outcome, see `take`. One that was posted is on the exchange, too, under its own
    type; and if there is a bridge to Redis, one that did not come from there is on its way.

    Raises `Rejected`.
    """
    event = read_platform_event(message.body, received_at=utc_now())
    outcome = await take(context.store, context.bus, context.triggers, event)
    if message.routing_key == POSTED:
        await context.bus.publish(on_the_exchange(event))
    if context.is_bridged and VIA not in message.headers:
        await context.bus.publish(as_message(event, TAKEN))
    return outcome
