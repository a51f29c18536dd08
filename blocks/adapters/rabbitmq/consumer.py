"""Consumes one queue of the broker, through losses of the connection and of the queue."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Coroutine, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from time import monotonic
from types import TracebackType
from typing import Any, NamedTuple, Self

from aio_pika import Channel
from aio_pika import Message as AmqpMessage
from aiormq.abc import DeliveredMessage

from blocks.adapters.consuming import DRAIN_SECONDS, Pause, dead_letter, drain, judge_together
from blocks.adapters.rabbitmq.acknowledgements import Acknowledgements
from blocks.adapters.rabbitmq.delays import DELAY_MAX, remaining_seconds, retry_queue, room_for
from blocks.adapters.rabbitmq.large_messages import cut_bodies
from blocks.adapters.rabbitmq.link import RabbitMQLink, translated, underlay, when_lost
from blocks.adapters.rabbitmq.messages import due_at, to_amqp, to_delivery, to_later_attempt
from blocks.adapters.rabbitmq.publisher import RabbitMQPublisher
from blocks.adapters.rabbitmq.topology import count, declare
from blocks.clock import utc_now
from blocks.ports import (
    Accept,
    BunchHandler,
    Delivery,
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

_PATIENCE_SECONDS = 0.02
"""What comes while a bunch is judged waits for its end, or for so long, and is then together."""

_COPY_AGAIN_SECONDS = 1.0


class _Arrival(NamedTuple):
    """A message, and where it is answered."""

    message: DeliveredMessage
    channel: Acknowledgements


class _InHand(NamedTuple):
    delivery: Delivery
    arrival: _Arrival
    early: datetime | None
    """Before this moment it is not to be judged."""


class RabbitMQConsumer:
    """Hands deliveries to the handler, in bunches of what waits, and acknowledges by the verdicts.

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
        handler: BunchHandler,
        *,
        concurrency: int,
        bunches: int | None = None,
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
        self._free_slots = concurrency
        self._bunches = 0
        self._bunches_max = bunches or concurrency
        self._bunch_max = concurrency if bunches else 1
        self._arrived: deque[_Arrival] = deque()
        self._beginning: asyncio.TimerHandle | None = None
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
        self._arrived.clear()  # the broker gets them back as the channel closes
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
        acknowledgements = Acknowledgements(await underlay(channel))
        while not self._is_leaving:
            await self._consume(channel, acknowledgements, lost)
            await self._pause.over()
        await drain(self._at_work)

    async def _consume(
        self, channel: Channel, acknowledgements: Acknowledgements, lost: asyncio.Event
    ) -> None:
        """Registered until we leave, or should take more or fewer messages. Raises `Unavailable`
        when forgotten.
        """
        timeout, on_trial = self._link.timeout_seconds, self._pause.is_trial
        await channel.set_qos(1 if on_trial else self._prefetch, timeout=timeout)
        take = partial(self._take, acknowledgements)
        deliveries = await underlay(channel)
        consuming = await deliveries.basic_consume(self._name, take, timeout=timeout)
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
            tag = consuming.consumer_tag or ""
            await deliveries.basic_cancel(tag, timeout=min(timeout, CLOSE_SECONDS))

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

    async def _take(self, acknowledgements: Acknowledgements, message: DeliveredMessage) -> None:
        if self._is_leaving:
            return  # the broker gets it back as the channel closes
        self._arrived.append(_Arrival(message, acknowledgements))
        if self._beginning is None:
            seconds = _PATIENCE_SECONDS if self._bunches and self._bunch_max > 1 else 0.0
            self._beginning = asyncio.get_running_loop().call_later(seconds, self._begin)

    def _begin(self) -> None:
        """What waits is in hand, as far as there are slots."""
        if self._beginning is not None:
            self._beginning.cancel()
            self._beginning = None
        while self._arrived and self._free_slots > 0 and self._bunches < self._bunches_max:
            count = min(len(self._arrived), self._free_slots, self._bunch_max)
            self._bunches += 1
            self._work(self._handle([self._arrived.popleft() for _ in range(count)]), count)

    def _work(self, work: Coroutine[Any, Any, None], slots: int) -> None:
        # aiormq cancels its own tasks when the channel dies; a handler must not end in the middle
        # for that.
        task = asyncio.create_task(work)
        self._at_work.add(task)
        self._free_slots -= slots
        task.add_done_callback(partial(self._end, slots))

    def _end(self, slots: int, task: asyncio.Task[None]) -> None:
        self._at_work.discard(task)
        self._free_slots += slots
        self._begin()

    async def _handle(self, bunch: Sequence[_Arrival]) -> None:
        """What was accepted is acknowledged; all else has a slot of its own until it is settled."""
        try:
            await self._acknowledge(await self._accepted(bunch))
        finally:
            self._bunches -= 1

    async def _accepted(self, bunch: Sequence[_Arrival]) -> Sequence[_InHand]:
        in_hand = [
            self._in_hand(arrival)
            for arrival in bunch
            # else the broker has it, or gets it back as the channel closes
            if not (self._is_leaving or arrival.channel.is_lost)
        ]
        due = []
        for one in in_hand:
            if one.delivery.message.cut_from is not None and not self._is_for_dead_letters:
                self._work(self._settled(self._refuse(one), one), slots=1)
            elif one.early is not None:
                self._work(self._settled(self._wait_on(one, one.early), one), slots=1)
            else:
                due.append(one)
        verdicts, accepted = await self._verdicts(due), []
        self._pause.heed(verdicts)
        for one, verdict in zip(due, verdicts, strict=True):
            if isinstance(verdict, Accept):
                accepted.append(one)
            else:
                self._work(self._settled(self._carry_out(verdict, one), one), slots=1)
        return accepted

    def _in_hand(self, arrival: _Arrival) -> _InHand:
        early = due_at(arrival.message)
        if early is not None and remaining_seconds(early, utc_now()) is None:
            early = None
        return _InHand(to_delivery(arrival.message, self._name), arrival, early)

    async def _verdicts(self, due: Sequence[_InHand]) -> Sequence[Verdict | None]:
        if self._pause.is_on or not due:
            return [None] * len(due)
        deliveries = [one.delivery for one in due]
        return await judge_together(self._handler, deliveries, self._queue)

    async def _acknowledge(self, accepted: Sequence[_InHand]) -> None:
        by_channel: dict[Acknowledgements, list[DeliveredMessage]] = {}
        for _, (message, channel), _ in accepted:
            by_channel.setdefault(channel, []).append(message)
        for channel, messages in by_channel.items():
            try:
                await channel.acknowledge(messages)
            except Unavailable as error:
                log.warning("%d messages will come again: %s", len(messages), error)
                await self._give_back(channel, messages)

    async def _settled(self, settling: Awaitable[None], one: _InHand) -> None:
        """It is settled in this way, or the broker has it again."""
        try:
            await settling
        except Unavailable as error:
            log.warning("message %s will come again: %s", one.delivery.message.id, error)
            await self._give_back(one.arrival.channel, [one.arrival.message])

    async def _give_back(
        self, channel: Acknowledgements, messages: Sequence[DeliveredMessage]
    ) -> None:
        """The broker has the messages again; when their channel is gone, it has so already."""
        if not channel.is_lost:
            self._pause.begin()
            with suppress(Unavailable):
                await channel.give_back(messages)

    async def _refuse(self, one: _InHand) -> None:
        """The broker moves the whole message to the dead letters, of which only the beginning has
        come here.
        """
        message = one.delivery.message
        log.warning("message %s is a dead letter: %s bytes", message.id, message.cut_from)
        await one.arrival.channel.refuse(one.arrival.message)

    async def _wait_on(self, one: _InHand, due: datetime) -> None:
        message, channel = one.arrival
        await self._wait(one.delivery.message, one.delivery.attempt, due, channel)
        await channel.acknowledge([message])

    async def _carry_out(self, verdict: Verdict | None, one: _InHand) -> None:
        """A copy is where the verdict wants it, and the broker is rid of the original."""
        delivery, (message, channel), _ = one
        match verdict:
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
                again = to_later_attempt(delivery.message, delivery.attempt)
                await self._copy(again, self._queue.name, channel)
        await channel.acknowledge([message])

    async def _retry(self, verdict: Retry, delivery: Delivery, channel: Acknowledgements) -> None:
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

    async def _wait(
        self, message: Message, attempt: int, due: datetime, channel: Acknowledgements
    ) -> None:
        """A copy is in a waiting room, and comes back when `due`, or before that for
        the next room.
        """
        room, seconds = room_for(self._queue, remaining_seconds(due, utc_now()) or 0.0)
        later = to_later_attempt(message, attempt, delay_seconds=seconds, due=due)
        await self._copy(later, room, channel)

    async def _copy(self, copy: AmqpMessage, queue: str, channel: Acknowledgements) -> None:
        """The copy is in that queue. Goes on trying for as long as the original is ours."""
        while not channel.is_lost:
            try:
                return await self._publisher.publish_to_queue(queue, copy)
            except Unroutable:
                log.error("queue %s is gone: declaring it again", queue)
                await self._declare()
            except Unavailable as error:
                log.warning("message %s cannot go to %s yet: %s", copy.message_id, queue, error)
                await asyncio.sleep(_COPY_AGAIN_SECONDS)
        raise Unavailable("its channel was lost")


async def _first(*events: asyncio.Event) -> None:
    """One of them is set."""
    waiting = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()
