"""A connection to RabbitMQ that comes back by itself, and channels on it.

aio-pika's robust connection reconnects; its robust channels and queues are not used, because they
restore themselves unobserved: code that needs a channel opens a new one, and knows whether it is
live.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, cast
from urllib.parse import parse_qsl, urlsplit

from aio_pika import Channel, RobustConnection
from aio_pika.connection import make_url
from aio_pika.exceptions import CONNECTION_EXCEPTIONS, ChannelPreconditionFailed

from blocks.adapters.rabbitmq.metrics import OPEN_LINKS
from blocks.adapters.rabbitmq.odd_properties import tolerate_odd_properties
from blocks.adapters.rabbitmq.refusals import mismatch_of
from blocks.observability.redaction import masked_url
from blocks.ports import DeclaredOtherwise, Unavailable
from blocks.processes.ending import closed, ended

if TYPE_CHECKING:
    import aiormq

log = logging.getLogger(__name__)

_HEARTBEAT_SECONDS = 10
_RECONNECT_SECONDS = 1
_ATTEMPT_SECONDS = 5.0
_SESSION_PAUSE_FIRST_SECONDS = 0.25
_SESSION_PAUSE_MAX_SECONDS = 5.0
_SESSION_WORKED_SECONDS = 1.0

Session = Callable[[Channel], Awaitable[None]]


class RabbitMQLink:
    """One connection, on the broker under its name and purpose; lives as long as its `async with`.

    Entering waits for the first try to connect, and raises nothing. A connection that fails, then
    or later, is tried again in the background, each second. Meanwhile `channel` raises
    `Unavailable`: with the reason if there was never a connection, else when none has come back
    within `timeout_seconds`.
    """

    def __init__(self, url: str, name: str, purpose: str, *, timeout_seconds: float) -> None:
        self._url = url
        self._name = f"{name} {purpose}"
        self.purpose = purpose
        self.timeout_seconds = timeout_seconds
        self._connection: RobustConnection | None = None
        self._has_connected = asyncio.Event()
        self._problem: Unavailable | None = None
        self._is_lost = False
        self._connecting: asyncio.Task[None]

    async def __aenter__(self) -> Self:
        OPEN_LINKS.add(self)
        tried = asyncio.Event()
        self._connecting = asyncio.create_task(self._connect_in_the_end(tried))
        self._connecting.add_done_callback(lambda _: tried.set())
        try:
            await tried.wait()
            if self._connecting.done():
                self._connecting.result()  # raises what is not the broker's fault
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(
        self, *exc: type[BaseException] | BaseException | TracebackType | None
    ) -> None:
        OPEN_LINKS.discard(self)
        self._is_lost = True  # closed on purpose: no notification
        await ended(self._connecting)
        if self._connection:
            await closed(f"the connection for {self.purpose}", self._connection.close())

    @property
    def is_connected(self) -> bool:
        return self._connection is not None and self._connection.connected.is_set()

    async def ready(self) -> RobustConnection:
        """The connection, as soon as it is there."""
        await self._has_connected.wait()
        assert self._connection, "this is what was waited for"
        await self._connection.ready()
        return self._connection

    async def describe(self) -> str:
        """The broker's name and version, as of the connection."""
        async with self.channel():
            transport = (await self.ready()).transport
        properties = transport.connection.server_properties if transport else {}
        name, version = (_text(properties.get(key, "?")) for key in ("product", "version"))
        return f"{name} {version}"

    async def open_channel(self, *, confirms: bool = True) -> Channel:
        """A new channel; with `confirms`, its publishes are confirmed and returned
        messages raise.
        """
        self._expect_to_have_connected()
        with translated("opening a channel"):
            async with asyncio.timeout(self.timeout_seconds):
                channel = Channel(
                    await self.ready(), publisher_confirms=confirms, on_return_raises=confirms
                )
                await channel.initialize()
                return channel

    async def expect_no_alarm(self, deadline: float) -> None:
        """Connected, and the broker takes messages; raises `Unavailable` at the deadline."""
        self._expect_to_have_connected()
        with translated("publishing"):
            async with asyncio.timeout_at(deadline):
                connection = await self.ready()
        with translated(
            "publishing", Unavailable("the broker takes no messages: it is short of disk or memory")
        ):
            async with asyncio.timeout_at(deadline):
                if connection.transport:
                    await connection.transport.ready()

    @asynccontextmanager
    async def channel(self) -> AsyncIterator[Channel]:
        """A channel for a while. Closing it gives unacknowledged messages back to their queue."""
        channel = await self.open_channel()
        try:
            yield channel
        finally:
            with suppress(Unavailable), translated("closing a channel"):
                await closed("a channel", channel.close())

    async def keep(self, session: Session, purpose: str) -> None:
        """Runs the session on a channel, and again on a new one whenever it raises `Unavailable`,
        until it returns.
        """
        pause = _SESSION_PAUSE_FIRST_SECONDS
        while True:
            began = asyncio.get_running_loop().time()
            try:
                await self.ready()
                with translated(purpose):
                    async with self.channel() as channel:
                        return await session(channel)
            except Unavailable as error:
                log.warning("%s; trying again", error)
            except Exception:
                log.exception("%s failed; trying again", purpose)
            if asyncio.get_running_loop().time() - began > _SESSION_WORKED_SECONDS:
                pause = _SESSION_PAUSE_FIRST_SECONDS
            await asyncio.sleep(pause)
            pause = min(2 * pause, _SESSION_PAUSE_MAX_SECONDS)

    @asynccontextmanager
    async def kept(
        self, session: Session, purpose: str, begun: asyncio.Event
    ) -> AsyncIterator[None]:
        """The session is kept up while the context lasts; `begun` at entry if the broker is up."""
        keeping = asyncio.create_task(self.keep(session, purpose), name=purpose)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(
                    self.timeout_seconds
                ):  # wait_for may drop a cancellation
                    await begun.wait()
            yield
        finally:
            await ended(keeping)

    def _expect_to_have_connected(self) -> None:
        if self._problem:
            raise Unavailable(str(self._problem))

    async def _connect_in_the_end(self, tried: asyncio.Event) -> None:
        """Connected; from now on, the connection restores itself."""
        while self._connection is None:
            try:
                self._connection = await self._connect()
            except Unavailable as error:
                if str(error) != str(self._problem):
                    log.info("%s; trying again each second", error)
                self._problem = error
                tried.set()
                await asyncio.sleep(_RECONNECT_SECONDS)
        if self._problem:
            log.info("connected to %s", masked_url(self._url))
        self._problem = None
        self._has_connected.set()

    async def _connect(self) -> RobustConnection:
        wanted: dict[str, Any] = {
            "heartbeat": _HEARTBEAT_SECONDS,
            "reconnect_interval": _RECONNECT_SECONDS,
            "name": self._name,
        }
        own = dict(parse_qsl(urlsplit(self._url).query))  # the URL's own parameters win
        tolerate_odd_properties()
        connection = RobustConnection(make_url(self._url, **(wanted | own)))
        try:
            with translated(f"connecting to {masked_url(self._url)}"):
                async with asyncio.timeout(2 * _ATTEMPT_SECONDS):
                    await connection.connect(timeout=_ATTEMPT_SECONDS)
        except BaseException:
            await closed("a connection that was not made", connection.close())
            raise
        connection.close_callbacks.add(self._tell_of_the_loss)
        connection.reconnect_callbacks.add(self._tell_of_the_return)
        return connection

    def _tell_of_the_loss(self, _: object, error: BaseException | None = None) -> None:
        if not self._is_lost:
            log.warning(
                "the connection for %s was lost: %s; trying again each second", self.purpose, error
            )
        self._is_lost = True

    def _tell_of_the_return(self, _: object) -> None:
        log.info("connected to %s for %s again", masked_url(self._url), self.purpose)
        self._is_lost = False


class SharedChannel:
    """One channel for many callers: opened when first needed, and again after it was lost."""

    def __init__(self, link: RabbitMQLink, prepare: Session, *, confirms: bool) -> None:
        self._link = link
        self._prepare = prepare
        self._confirms = confirms
        self._opening = asyncio.Lock()
        self._channel: Channel | None = None

    async def get(self) -> Channel:
        """A live channel on which `prepare` has run."""
        async with self._opening:
            if self._channel is None or self._channel.is_closed:
                channel = await self._link.open_channel(confirms=self._confirms)
                await self._prepare(channel)
                self._channel = channel
            return self._channel


async def underlay(channel: Channel) -> "aiormq.Channel":
    """aiormq's own channel: what aio-pika adds to each message would cost a third of it."""
    return cast("aiormq.Channel", await channel.get_underlay_channel())


async def when_lost(channel: Channel) -> asyncio.Event:
    """Set once the broker no longer delivers to this channel: it closed, or the broker cancelled a
    consumer on it.
    """
    lost = asyncio.Event()
    underlay = await channel.get_underlay_channel()
    underlay.on_consumer_cancel_callbacks.add(lambda _: lost.set())
    channel.close_callbacks.add(lambda *_: lost.set())
    return lost


async def until(lost: asyncio.Event) -> None:
    """The channel is lost. Raises a cancellation that has come before and was dropped on the way
    here.

    Python 3.11 drops one that comes together with the broker's answer to the call before this wait.
    """
    task = asyncio.current_task()
    if task and task.cancelling():
        raise asyncio.CancelledError
    await lost.wait()


def _text(value: object) -> str:
    """aiormq leaves some of the broker's words as bytes."""
    return value.decode(errors="replace") if isinstance(value, bytes | bytearray) else str(value)


@contextmanager
def translated(doing: str, timed_out: Unavailable | None = None) -> Iterator[None]:
    """Errors of aio-pika, the network and time limits become `Unavailable`, with the operation; the
    refusal of a declaration becomes `DeclaredOtherwise`.

    A time limit is raised as `timed_out` where the caller gives its meaning.
    """
    try:
        yield
    except asyncio.CancelledError as error:
        # aiormq cancels what waits on a dying channel. Only a task whose caller cancels it is
        # `cancelling`.
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise Unavailable(f"{doing}: the channel was lost") from error
    except TimeoutError as error:
        raise timed_out or Unavailable(f"{doing}: no answer in time") from error
    except CONNECTION_EXCEPTIONS as error:
        if isinstance(error, ChannelPreconditionFailed) and (mismatch := mismatch_of(str(error))):
            raise DeclaredOtherwise(mismatch) from error
        raise Unavailable(f"{doing}: {str(error) or type(error).__name__}") from error
