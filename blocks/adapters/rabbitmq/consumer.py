"""Consumes one queue of the broker, through losses of the connection and of the queue."""

import asyncio
import logging
from collections.abc import Awaitable
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from time import monotonic
from types import TracebackType
from typing import Self

from aio_pika import Channel
from aio_pika import Message as AmqpMessage
from aio_pika.abc import AbstractIncomingMessage

from blocks.adapters.consuming import DRAIN_SECONDS, Pause, dead_letter, drain, judge
from blocks.adapters.rabbitmq.delays import DELAY_MAX, remaining_seconds, retry_queue, room_for
from blocks.adapters.rabbitmq.large_messages import cut_bodies
from blocks.adapters.rabbitmq.link import RabbitMQLink, translated, when_lost
from blocks.adapters.rabbitmq.messages import due_at, to_amqp, to_delivery, to_later_attempt
from blocks.adapters.rabbitmq.publisher import RabbitMQPublisher
from blocks.adapters.rabbitmq.topology import count, declare
from blocks.clock import utc_now
from blocks.ports import (
    Accept,
    Delivery,
    Handler,
    Message,
    NotFound,
    Queue,
    Reject,
    Retry,
    Unavailable,
    Unroutable,
    Verdict,
)
from blocks.processes.ending import CLOSE_SECONDS, ended

log = logging.getLogger(__name__)

_ANSWER_SECONDS = 3.0
_COPY_AGAIN_SECONDS = 1.0


class RabbitMQConsumer:
    """Hands deliveries to the handler, each in its own task, and acknowledges by the verdicts.

    A message leaves the queue only after its verdict is carried out: for `Reject` and `Retry` that
    is a confirmed copy elsewhere. A handler survives the loss of its channel; its acknowledgement
    fails and the message comes again. While what a handler needs is unavailable, nothing is
    consumed: messages in hand are returned, and now and then one message is tried.
    """

    def __init__(
        self,
        link: RabbitMQLink,
        publisher: RabbitMQPublisher,
        exchange: str,
        queue: Queue,
        handler: Handler,
        *,
        concurrency: int,
        dead_letters: bool = False,
    ) -> None:
        self._link = link
        self._publisher = publisher
        self._exchange = exchange
        self._queue = queue
        self._name = queue.dead_letters if dead_letters else queue.name
        self._is_for_dead_letters = dead_letters
        self._handler = handler
        # As many again wait here, so that a handler that ends need not wait for the broker.
        self._prefetch = 2 * concurrency
        self._slots = asyncio.Semaphore(concurrency)
        self._wake = asyncio.Event()
        self._pause = Pause(on_change=self._wake.set)
        self._at_work: set[asyncio.Task[None]] = set()
        self._is_registered = False
        self._is_leaving = False
        self._keeping: asyncio.Task[None]

    @property
    def is_registered(self) -> bool:
        return self._is_registered

    async def __aenter__(self) -> Self:
        purpose = f"consuming {self._name}"
        self._keeping = asyncio.create_task(self._link.keep(self._session, purpose), name=purpose)
        return self

    async def __aexit__(
        self, *exc: type[BaseException] | BaseException | TracebackType | None
    ) -> None:
        """Left within `DRAIN_SECONDS` and the few seconds of `ended`, even if the broker hangs."""
        self._is_leaving = True
        deadline = monotonic() + DRAIN_SECONDS
        self._pause.end()
        self._wake.set()
        if self._is_registered:
            _, late = await asyncio.wait({self._keeping}, timeout=DRAIN_SECONDS)
            if late:
                log.warning("queue %s is left in the middle of what is in hand", self._name)
        await ended(self._keeping)
        await drain(self._at_work, within_seconds=max(deadline - monotonic(), 0.0))

    async def _session(self, channel: Channel) -> None:
        """Consumes until we leave, which empties our hands, or the broker forgets us, which raises
        `Unavailable`.
        """
        await self._ensure_queue()
        lost = await when_lost(channel)
        await cut_bodies(channel, self._queue.max_bytes)
        while not self._is_leaving:
            await self._consume(channel, lost)
            await self._pause.over()
        await drain(self._at_work)

    async def _consume(self, channel: Channel, lost: asyncio.Event) -> None:
        """Registered until we leave, or should take more or fewer messages. Raises `Unavailable`
        when forgotten.
        """
        timeout, on_trial = self._link.timeout_seconds, self._pause.is_trial
        await channel.set_qos(1 if on_trial else self._prefetch, timeout=timeout)
        queue = await channel.get_queue(self._name, ensure=False)
        tag = await queue.consume(partial(self._take, channel), timeout=timeout)
        log.log(logging.DEBUG if on_trial else logging.INFO, "consuming queue %s", self._name)
        self._is_registered = True
        try:
            while not (
                lost.is_set()
                or self._is_leaving
                or self._pause.is_on
                or self._pause.is_trial != on_trial
            ):
                self._wake.clear()
                await _first(lost, self._wake)
        finally:
            self._is_registered = False
        if self._pause.is_on and not on_trial:
            log.warning("queue %s is left alone until what its messages need is there", self._name)
        if lost.is_set() and not self._is_leaving:
            raise Unavailable(f"queue {self._name} was deleted or its connection was lost")
        with suppress(Unavailable), translated("leaving"):
            await queue.cancel(tag, timeout=min(timeout, CLOSE_SECONDS))

    async def _ensure_queue(self) -> None:
        """The queue may have been deleted. An existing one is used as it is."""
        timeout = self._link.timeout_seconds
        try:
            async with self._link.channel() as channel:
                await count(channel, self._name, timeout)
        except NotFound:
            log.error("queue %s is gone: declaring it again", self._name)
            await self._declare()

    async def _declare(self) -> None:
        await declare(self._link, self._exchange, self._queue)

    async def _take(self, channel: Channel, message: AbstractIncomingMessage) -> None:
        # aiormq cancels its own tasks when the channel dies; a handler must not end in the middle
        # for that.
        task = asyncio.create_task(self._handle(channel, message))
        self._at_work.add(task)
        task.add_done_callback(self._at_work.discard)

    async def _handle(self, channel: Channel, message: AbstractIncomingMessage) -> None:
        async with self._slots:
            if self._is_leaving or channel.is_closed:
                return  # the broker has it, or gets it back as the channel closes
            delivery = to_delivery(message, self._name)
            try:
                if delivery.message.cut_from is not None and not self._is_for_dead_letters:
                    await self._refuse(message, delivery)
                    return
                early = due_at(message)
                if early is not None and remaining_seconds(early, utc_now()) is not None:
                    await self._wait(delivery.message, delivery.attempt, early, channel)
                else:
                    verdict = (
                        None
                        if self._pause.is_on
                        else await judge(self._handler, delivery, self._queue)
                    )
                    await self._carry_out(verdict, delivery, channel)
                await _answered("acknowledging", message.ack())
            except Unavailable as error:
                log.warning("message %s will come again: %s", delivery.message.id, error)
                await self._give_back(message, channel)

    async def _give_back(self, message: AbstractIncomingMessage, channel: Channel) -> None:
        """The broker has the message again; when its channel is gone, it has so already."""
        if not channel.is_closed:
            self._pause.begin()
            with suppress(Unavailable):
                await _answered("giving back", message.nack(requeue=True))

    async def _refuse(self, message: AbstractIncomingMessage, delivery: Delivery) -> None:
        """The broker moves the whole message to the dead letters, of which only the beginning has
        come here.
        """
        log.warning(
            "message %s is a dead letter: %s bytes", delivery.message.id, delivery.message.cut_from
        )
        await _answered("refusing", message.reject(requeue=False))

    async def _carry_out(
        self, verdict: Verdict | None, delivery: Delivery, channel: Channel
    ) -> None:
        if verdict is None:
            self._pause.begin()
        else:
            self._pause.forget()
        message = delivery.message
        match verdict:
            case Accept():
                pass
            case Reject():
                letter = to_amqp(dead_letter(delivery, verdict, utc_now()))
                await self._copy(letter, self._queue.dead_letters, channel)
            case Retry():
                await self._retry(verdict, delivery, channel)
            case None if self._is_for_dead_letters:
                # and keeps its place: nothing counts against it there
                raise Unavailable("it could not be collected")
            case None:
                # A requeue would count towards the delivery limit, and an outage would make good
                # messages dead letters.
                await self._copy(
                    to_later_attempt(message, delivery.attempt), self._queue.name, channel
                )

    async def _retry(self, verdict: Retry, delivery: Delivery, channel: Channel) -> None:
        message, attempt, seconds = (
            delivery.message,
            delivery.attempt + verdict.counts,
            verdict.delay_seconds,
        )
        if seconds is None:
            delay = self._queue.retry_delay_seconds
            later = to_later_attempt(message, attempt, delay_seconds=delay)
            await self._copy(later, retry_queue(self._queue), channel)
        else:
            due = utc_now() + min(timedelta(seconds=seconds), DELAY_MAX)
            await self._wait(message, attempt, due, channel)

    async def _wait(self, message: Message, attempt: int, due: datetime, channel: Channel) -> None:
        """A copy is in a waiting room, and comes back when `due`, or before that for
        the next room.
        """
        room, seconds = room_for(self._queue, remaining_seconds(due, utc_now()) or 0.0)
        later = to_later_attempt(message, attempt, delay_seconds=seconds, due=due)
        await self._copy(later, room, channel)

    async def _copy(self, copy: AmqpMessage, queue: str, channel: Channel) -> None:
        """The copy is in that queue. Goes on trying for as long as the original is ours."""
        while not channel.is_closed:
            try:
                return await self._publisher.publish_to_queue(queue, copy)
            except Unroutable:
                log.error("queue %s is gone: declaring it again", queue)
                await self._declare()
            except Unavailable as error:
                log.warning("message %s cannot go to %s yet: %s", copy.message_id, queue, error)
                await asyncio.sleep(_COPY_AGAIN_SECONDS)
        raise Unavailable("its channel was lost")


async def _answered(doing: str, answer: Awaitable[None]) -> None:
    """The broker will get this answer. Raises `Unavailable` if it has not gone out in time.

    A connection that is being lost takes no more frames, and aiormq lets those who have one wait
    for ever (aiormq 7.1, `Channel.basic_ack` on a full `write_queue`): each would keep a slot of
    its consumer.
    """
    with translated(doing):
        async with asyncio.timeout(_ANSWER_SECONDS):
            await answer


async def _first(*events: asyncio.Event) -> None:
    """One of them is set."""
    waiting = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()
