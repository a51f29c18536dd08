"""One connected client: what waits to be sent to it, and who sends it."""

import asyncio
import logging
from collections import deque
from typing import Any, Protocol

import msgspec

from api.sockets import metrics
from api.sockets.admission import Pass, Scope

logger = logging.getLogger(__name__)

WAITING_MAX = 1_000
"""Frames that may wait for a client; one more, and it is too slow."""

AT_ONCE = 64

Room = tuple[str, ...]


class Wire(Protocol):
    """The connection under a client."""

    async def send(self, name: str, data: Any) -> None: ...

    async def drained(self) -> None:
        """Everything sent has been handed to the network. Raises `TimeoutError` if the client takes
        nothing for too long.
        """
        ...

    async def cut(self) -> None:
        """The connection ends; what was not sent is dropped."""
        ...


class _Frame(msgspec.Struct, frozen=True):
    name: str
    data: Any
    event_id: str | None = None


class Client:
    """Frames are put without waiting and sent by `pump`, which is the client's own."""

    def __init__(self, wire: Wire, scope: Scope, id: str) -> None:
        self.scope = scope
        self.id = id
        """Of the connection under it."""
        self.turn = asyncio.Lock()
        """One thing that it sent is done at a time, however many requests brought them."""
        self.has_gone = False
        """It is connected no more, though something that it sent may still be being done."""
        self.admitted: Pass | None = None
        self.rooms: set[Room] = set()
        self._wire = wire
        self._waiting: deque[_Frame] = deque()
        self._held: list[tuple[Room, _Frame]] | None = None
        self._replayed: set[tuple[Room, str]] = set()
        self._ends: str | None = None
        self._woken = asyncio.Event()

    def say(self, name: str, data: Any) -> None:
        """An answer, which belongs to no event."""
        self._put(_Frame(name, data))

    def put(self, room: Room, name: str, data: Any, event_id: str) -> None:
        """A frame of an event that has just happened; after a replay that is under way."""
        frame = _Frame(name, data, event_id)
        if self._held is not None:
            self._held.append((room, frame))
            if len(self._held) > WAITING_MAX:
                self.end("slow")
        elif (room, event_id) not in self._replayed:
            self._put(frame)

    def hold(self) -> None:
        """Until `replayed`, what happens is kept back."""
        self._held = []

    def replayed(self, room: Room, frames: list[tuple[str, Any, str]]) -> None:
        """These frames come first; then what was kept back, without what is among them."""
        for name, data, event_id in frames:
            self._put(_Frame(name, data, event_id))
        self.forget_replayed(room)  # of an earlier replay: a page may ask again and again
        self._replayed |= {(room, event_id) for _, _, event_id in frames}
        self.release()

    def release(self) -> None:
        """What was kept back follows."""
        held, self._held = self._held or [], None
        for room, frame in held:
            if (room, frame.event_id) not in self._replayed:
                self._put(frame)

    def forget_replayed(self, room: Room) -> None:
        self._replayed = {known for known in self._replayed if known[0] != room}

    def end(self, reason: str) -> None:
        """The client is disconnected: after what waits for it, or at once if it is slow."""
        self._ends = self._ends or reason
        if self._ends == "slow":
            self._waiting.clear()
        self._woken.set()

    async def pump(self) -> None:
        """Sends what there is until the client ends or takes nothing any more."""
        try:
            while self._waiting or self._ends is None:
                await self._woken.wait()
                self._woken.clear()
                await self._send_waiting()
        except TimeoutError:
            self._ends = "slow"
        except Exception as error:  # of any kind: who gets nothing more must connect again
            logger.error("A Socket.IO client cannot be sent to: %r", error)
            self._ends = "error"
        metrics.CUT.labels(self._ends or "slow").inc()
        await self._wire.cut()

    async def _send_waiting(self) -> None:
        while self._waiting:
            for _ in range(min(AT_ONCE, len(self._waiting))):
                frame = self._waiting.popleft()
                await self._wire.send(frame.name, frame.data)
                metrics.FRAMES.inc()
            await self._wire.drained()

    def _put(self, frame: _Frame) -> None:
        if self._ends is not None:
            return
        if len(self._waiting) >= WAITING_MAX:
            self.end("slow")
            return
        self._waiting.append(frame)
        self._woken.set()
