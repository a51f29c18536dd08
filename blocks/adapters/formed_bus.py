"""An `EventBus` on which our events go out in the form that the platform's services read."""

import msgspec

from blocks.adapters.forwarding import ForwardingEventBus
from blocks.contracts.events import PUBLISHED
from blocks.contracts.events.forms import Form, in_form
from blocks.ports import EventBus, Message


class FormedEventBus(ForwardingEventBus):
    """Every event of ours is published in this form, wherever it was made. What goes to one queue
    of ours (a replay, a webhook's delivery) is not published, and stays as it is.
    """

    def __init__(self, bus: EventBus, form: Form) -> None:
        super().__init__(bus)
        self._form = form

    async def publish(self, *messages: Message, required: bool = False) -> None:
        await super().publish(*(self._formed(one) for one in messages), required=required)

    def _formed(self, message: Message) -> Message:
        if message.routing_key not in PUBLISHED:
            return message
        body = in_form(message.body, self._form)
        if body == message.body:
            return message
        headers = {**message.headers, "version": self._form.version}
        return msgspec.structs.replace(message, body=body, headers=headers)
