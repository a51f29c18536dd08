"""An `EventBus` whose required messages reach the queue that must have them."""

from collections.abc import Callable

from blocks.adapters.forwarding import ForwardingEventBus
from blocks.ports import EventBus, Message, NotFound, Unroutable


class RequiringEventBus(ForwardingEventBus):
    """The same bus; a required message is refused while the queue it needs does not exist.

    To a broker a message is routed when any queue takes it: with the queue of one batch worker
    deleted, that of another, which ignores the job, would hide it.
    """

    def __init__(self, bus: EventBus, queue_needed: Callable[[Message], str | None]) -> None:
        super().__init__(bus)
        self._queue_needed = queue_needed

    async def publish(self, *messages: Message, required: bool = False) -> None:
        if required:
            needed = {self._queue_needed(message) for message in messages}
            await self._check_exist({queue for queue in needed if queue})
        await super().publish(*messages, required=required)

    async def _check_exist(self, queues: set[str]) -> None:
        for queue in queues:
            try:
                await self.depth(queue)
            except NotFound:
                raise Unroutable(f"there is no queue {queue}") from None
