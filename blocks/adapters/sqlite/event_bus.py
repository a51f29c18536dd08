"""The embedded event bus: one SQLite file that several processes of one machine publish to and
consume from.
"""

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from blocks.adapters.consuming import BUNCHES_AT_ONCE, COLLECTED_AT_ONCE, as_handler, one_by_one
from blocks.adapters.sqlite import event_tables as tables
from blocks.adapters.sqlite.consumer import SqliteConsumer
from blocks.adapters.sqlite.file import SqliteFile
from blocks.adapters.sqlite.subscription import SqliteSubscription
from blocks.adapters.sqlite.watch import SqliteWatch
from blocks.ports import (
    BunchHandler,
    Collector,
    Consumer,
    Handler,
    Message,
    Queue,
    QueueView,
    SignalHandler,
    Subscriber,
    Unavailable,
)
from blocks.processes.ending import ended

log = logging.getLogger(__name__)

_AFTER_ERROR_SECONDS = 0.1


class SqliteEventBus:
    """The `EventBus` for one machine and no broker: durable, at-least-once, competing consumers,
    dead letters.

    Lives as long as its `async with`. A message whose consumer dies comes again after
    `lease_seconds`. Raises `Unavailable` when the file cannot be opened or stays locked.
    """

    def __init__(self, file: Path, *, lease_seconds: float = 30.0) -> None:
        self._file = SqliteFile(file, tables.SCHEMA)
        self._watch = SqliteWatch(file)
        self._lease_seconds = lease_seconds
        self._signals: set[asyncio.Task[None]] = set()
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as opening:
            await opening.enter_async_context(self._file)
            await opening.enter_async_context(self._watch)
            self._open = opening.pop_all()
        return self

    async def __aexit__(
        self, *exc: type[BaseException] | BaseException | TracebackType | None
    ) -> None:
        await asyncio.gather(*self._signals)
        await self._open.aclose()

    async def declare(self, *queues: Queue) -> None:
        await self._file.run(partial(tables.declare, queues=queues))

    async def publish(self, *messages: Message, required: bool = False) -> None:
        await self._file.run(partial(tables.publish, messages=messages, required=required))
        self._watch.look()

    def consume(
        self, queue: Queue, handler: Handler, *, concurrency: int = 32
    ) -> AbstractAsyncContextManager[Consumer]:
        return self._consumer(queue, one_by_one(handler), concurrency=concurrency)

    def consume_together(
        self, queue: Queue, handler: BunchHandler, *, concurrency: int = 32
    ) -> AbstractAsyncContextManager[Consumer]:
        return self._consumer(queue, handler, concurrency=concurrency, bunches=BUNCHES_AT_ONCE)

    def collect(self, queue: Queue, collector: Collector) -> AbstractAsyncContextManager[Consumer]:
        return self._consumer(
            queue,
            one_by_one(as_handler(collector)),
            concurrency=COLLECTED_AT_ONCE,
            dead_letters=True,
        )

    def _consumer(
        self, queue: Queue, handler: BunchHandler, *, concurrency: int, **manner: Any
    ) -> SqliteConsumer:
        return SqliteConsumer(
            self._file,
            self._watch,
            queue,
            handler,
            concurrency=concurrency,
            lease_seconds=self._lease_seconds,
            **manner,
        )

    async def deliver(self, queue: str, *messages: Message) -> None:
        await self._file.run(partial(tables.deliver, queue=queue, messages=messages))
        self._watch.look()

    async def broadcast(self, topic: str, body: bytes) -> None:
        """Does not wait until it is in the file: it may be lost, and its sender has a caller."""
        sending = asyncio.create_task(self._signal(topic, body))
        self._signals.add(sending)
        sending.add_done_callback(self._signals.discard)

    async def _signal(self, topic: str, body: bytes) -> None:
        try:
            await self._file.run(partial(tables.broadcast, topic=topic, body=body))
        except Unavailable as error:
            log.debug("signal %s was lost: %s", topic, error)
        self._watch.look()

    @asynccontextmanager
    async def listen(
        self, topic: str, handler: SignalHandler, *, group: str | None = None
    ) -> AsyncIterator[None]:
        await asyncio.gather(*self._signals)
        latest = await self._file.read(tables.last_signal)
        listening = asyncio.create_task(self._listen(topic, handler, group, latest))
        try:
            yield
        finally:
            await ended(listening)

    def subscribe(
        self, patterns: Sequence[str], subscriber: Subscriber
    ) -> AbstractAsyncContextManager[None]:
        return SqliteSubscription(self._file, self._watch, patterns, subscriber)

    async def depth(self, queue: str) -> int:
        return await self._file.read(partial(tables.depth, queue=queue))

    async def peek(self, queue: str, limit: int = 100) -> list[Message]:
        return await self._file.read(partial(tables.peek, queue=queue, limit=limit))

    async def inspect(self, queue: Queue) -> QueueView:
        return await self._file.read(partial(tables.view, queue=queue.name))

    async def describe(self) -> str:
        return f"embedded, SQLite {sqlite3.sqlite_version}"

    async def ping(self) -> None:
        await self._file.run(tables.last_signal)

    async def _listen(
        self, topic: str, handler: SignalHandler, group: str | None, latest: int
    ) -> None:
        while True:
            try:
                for seq, about, body in await self._watch.until(
                    partial(tables.signals_after, seq=latest)
                ):
                    latest = seq
                    if about == topic and (group is None or await self._takes(seq, group)):
                        await handler(body)
            except Exception:
                log.exception("a signal of %s was lost", topic)
                await asyncio.sleep(_AFTER_ERROR_SECONDS)

    async def _takes(self, seq: int, group: str) -> bool:
        return await self._file.run(partial(tables.take_signal, seq=seq, group=group))
