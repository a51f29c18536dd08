"""What a channel answers to the broker: several deliveries are acknowledged by one frame where the
broker would understand it so.

`multiple` covers all that came before, so it goes out only up to a delivery before which every
other one is settled; those beyond get a frame each, in the same write.
"""

import asyncio
from collections.abc import Sequence

import aiormq
from aiormq.abc import ChannelFrame, DeliveredMessage
from pamqp.base import Frame
from pamqp.commands import Basic

from blocks.adapters.rabbitmq.link import translated

_WRITE_SECONDS = 3.0


class Acknowledgements:
    """Of the deliveries of one channel. Every method raises `Unavailable` if its frames have not
    gone out in time.

    A connection that is being lost takes no more frames, and aiormq lets those who have one wait
    for ever (aiormq 7.1, `Channel.basic_ack` on a full `write_queue`): each would keep a slot of
    its consumer.
    """

    def __init__(self, channel: aiormq.Channel) -> None:
        self._channel = channel
        self._settled_up_to = 0
        """This delivery and all before it are settled: the broker counts from 1, without gaps."""
        self._settled_beyond: set[int] = set()
        self._writing = asyncio.Lock()

    @property
    def is_lost(self) -> bool:
        """The channel is closed: the broker has every delivery back that is not settled."""
        return self._channel.is_closed

    async def acknowledge(self, deliveries: Sequence[DeliveredMessage]) -> None:
        """These are settled."""
        tags = sorted(map(_tag_of, deliveries))
        async with self._writing:
            self._settle(tags)
            together = [tag for tag in tags if tag <= self._settled_up_to]
            frames: list[Frame] = [Basic.Ack(tag) for tag in tags[len(together) :]]
            if together:
                frames.insert(0, Basic.Ack(together[-1], multiple=len(together) > 1))
            await self._write("acknowledging", frames)

    async def give_back(self, deliveries: Sequence[DeliveredMessage]) -> None:
        """The broker has these again."""
        tags = sorted(map(_tag_of, deliveries))
        async with self._writing:
            self._settle(tags)
            frames = [Basic.Nack(tag, multiple=False, requeue=True) for tag in tags]
            await self._write("giving back", frames)

    async def refuse(self, delivery: DeliveredMessage) -> None:
        """The broker has moved this one to the dead letters."""
        async with self._writing:
            self._settle([_tag_of(delivery)])
            await self._write("refusing", [Basic.Reject(_tag_of(delivery), requeue=False)])

    def _settle(self, tags: Sequence[int]) -> None:
        self._settled_beyond.update(tag for tag in tags if tag > self._settled_up_to)
        while self._settled_up_to + 1 in self._settled_beyond:
            self._settled_up_to += 1
            self._settled_beyond.remove(self._settled_up_to)

    async def _write(self, doing: str, frames: Sequence[Frame]) -> None:
        with translated(doing):
            async with asyncio.timeout(_WRITE_SECONDS):
                if self.is_lost:
                    raise aiormq.exceptions.ChannelInvalidStateError("the channel is closed")
                written = self._channel.create_future()
                await self._channel.write_queue.put(
                    ChannelFrame.marshall(self._channel.number, frames, written)
                )
                await written


def _tag_of(delivery: DeliveredMessage) -> int:
    assert delivery.delivery_tag, "the broker numbers what it delivers"
    return delivery.delivery_tag
