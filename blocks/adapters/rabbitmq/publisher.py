"""Confirmed publishing: a call returns when the broker has every message on its disks."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast
from uuid import uuid4

from aio_pika import Channel
from aio_pika import Message as AmqpMessage
from aio_pika.exceptions import PublishError

from blocks.adapters.rabbitmq.bunches import publish_together
from blocks.adapters.rabbitmq.link import RabbitMQLink, SharedChannel, translated, underlay
from blocks.adapters.rabbitmq.topology import declare_exchange
from blocks.ports import DeclaredOtherwise, Message, Unavailable, Unroutable

if TYPE_CHECKING:
    import aiormq
    from pamqp.commands import Basic

log = logging.getLogger(__name__)

_IN_FLIGHT_MAX = 256
_PING_SECONDS = 1.5
"""Less than a readiness check waits, so that it can report the reason."""

_PREPARE_SECONDS = 2.0


class RabbitMQPublisher:
    """Publishes on one channel of its link, as many messages at a time as are offered, each with a
    time limit.
    """

    def __init__(self, link: RabbitMQLink, exchange: str) -> None:
        self._exchange = exchange
        self._link = link
        self._timeout_seconds = link.timeout_seconds
        self._channel = SharedChannel(link, self._prepare, confirms=True)

    async def prepare(self) -> None:
        """Ready to publish, if the broker is there. Raises `DeclaredOtherwise`: no wait helps."""
        if not self._link.is_connected:
            return
        try:
            with translated(f"declaring exchange {self._exchange}"):
                async with asyncio.timeout(min(_PREPARE_SECONDS, self._timeout_seconds)):
                    await self._channel.get()
        except DeclaredOtherwise:
            raise
        except Unavailable as error:
            log.debug("the exchange could not be looked at yet: %s", error)

    async def publish(self, messages: Sequence[Message], *, required: bool) -> None:
        """All are confirmed. Raises the first `Unavailable` or, if `required`, `Unroutable`; others
        may be there.
        """
        for start in range(0, len(messages), _IN_FLIGHT_MAX):
            await self._publish_together(
                messages[start : start + _IN_FLIGHT_MAX], mandatory=required
            )

    async def publish_to_queue(self, queue: str, message: AmqpMessage) -> None:
        """The message is in this queue. Raises `Unroutable` if there is no such queue."""
        await self._publish("", queue, message, mandatory=True)

    async def ping(self) -> None:
        """The broker confirms messages; this one has no queue. Only publishing reveals an alarm."""
        limit = min(_PING_SECONDS, self._timeout_seconds)
        await self._publish(
            "", f"no-queue.{uuid4()}", AmqpMessage(b""), mandatory=False, within_seconds=limit
        )

    async def _publish_together(self, messages: Sequence[Message], *, mandatory: bool) -> None:
        what = messages[0].routing_key + (f" and {len(messages) - 1} more" if messages[1:] else "")
        async with self._channel_within(self._timeout_seconds, f"publishing {what}") as channel:
            try:
                await publish_together(channel, self._exchange, messages, mandatory=mandatory)
            except PublishError as error:
                returned = cast("Basic.Return", error.frame)
                raise Unroutable(f"no queue is bound for {returned.routing_key}") from None

    async def _publish(
        self,
        exchange: str,
        routing_key: str,
        message: AmqpMessage,
        *,
        mandatory: bool,
        within_seconds: float | None = None,
    ) -> None:
        within = within_seconds or self._timeout_seconds
        async with self._channel_within(
            within, f"publishing {message.type or 'a probe'}"
        ) as channel:
            try:
                await channel.basic_publish(
                    message.body,
                    exchange=exchange,
                    routing_key=routing_key,
                    properties=message.properties,
                    mandatory=mandatory,
                    # The confirm is waited for, not the socket, which would let one message in
                    # at a time.
                    wait=False,
                )
            except PublishError:
                raise Unroutable(f"there is no queue {routing_key}") from None

    @asynccontextmanager
    async def _channel_within(self, seconds: float, doing: str) -> AsyncIterator["aiormq.Channel"]:
        """The channel, with so much time for all that is done on it; errors come out translated."""
        deadline = asyncio.get_running_loop().time() + seconds
        # Who tries again at once must leave the loop its turn to notice that a channel is gone:
        # nothing below need ever wait.
        await asyncio.sleep(0)
        # Under an alarm the broker stops reading: what was written to it now would pile up, and
        # come out many times.
        await self._link.expect_no_alarm(deadline)
        with translated(doing):
            async with asyncio.timeout_at(deadline):
                yield await underlay(await self._channel.get())

    async def _prepare(self, channel: Channel) -> None:
        await declare_exchange(channel, self._exchange, self._timeout_seconds)
