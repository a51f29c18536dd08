"""The subscription of an API process to the events that clients follow: there while anyone does."""

import asyncio
import logging
from contextlib import suppress

from api.live.events import LIVE
from api.live.hub import Hub
from blocks import signals
from blocks.ports import EventBus, Unavailable

logger = logging.getLogger(__name__)

_WAIT_SECONDS = 3.0
_PAUSE_SECONDS = 1.0


class LiveSubscription:
    """Subscribed while a client follows, at this process or another one, and for `kept_seconds`
    after the last one was seen: whoever comes back meanwhile, anywhere, finds what was missed.
    """

    def __init__(self, bus: EventBus, hub: Hub, kept_seconds: float) -> None:
        self._bus = bus
        self._hub = hub
        self._kept_seconds = kept_seconds
        self._until = 0.0
        self._has_come = False
        """A client has come here since others were notified."""
        self._is_wanted = asyncio.Event()
        self._is_there = asyncio.Event()
        hub.before_admission = self.needed

    async def run(self) -> None:
        """Subscribes and unsubscribes, until cancelled."""
        async with self._bus.listen(signals.LIVE_FOLLOWED, self._followed_elsewhere):
            while True:
                await self._is_wanted.wait()
                try:
                    async with self._bus.subscribe(tuple(LIVE), self._hub):
                        await self._while_wanted()
                except Unavailable as error:
                    logger.warning("Events cannot be followed now: %s", error)
                    await asyncio.sleep(_PAUSE_SECONDS)
                finally:
                    self._is_there.clear()

    async def needed(self) -> None:
        """A client is about to follow: events are received from now on. If the bus is away, it is
        not waited for long: once they are, all who follow will be asked to read again.
        """
        self._want()
        self._has_come = True
        if not self._is_there.is_set():
            await self._bus.broadcast(signals.LIVE_FOLLOWED, b"")
            with suppress(TimeoutError):
                async with asyncio.timeout(_WAIT_SECONDS):
                    await self._is_there.wait()

    def _want(self) -> None:
        self._until = asyncio.get_running_loop().time() + self._kept_seconds
        self._is_wanted.set()

    async def _followed_elsewhere(self, _: bytes) -> None:
        self._want()

    async def _while_wanted(self) -> None:
        self._hub.begin()
        self._is_there.set()
        clock = asyncio.get_running_loop().time
        while clock() < self._until:
            if self._hub.is_followed or self._has_come:
                self._want()
                self._has_come = False
                await self._bus.broadcast(signals.LIVE_FOLLOWED, b"")
            await asyncio.sleep(min(self._kept_seconds / 4, max(self._until - clock(), 0.0)))
        self._is_wanted.clear()
        self._is_there.clear()
