"""Every Engine.IO connection of this process, also those whose client never gets further."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from api.sockets import metrics
from api.sockets.traffic import Traffic
from blocks.processes.bounded_http import OpenConnections

TOO_MANY = "As many clients are connected as may; try again"
TOO_MANY_UNKNOWN = "As many clients are connected, and not authenticated, as may; try again"
TOO_MANY_OF_ADDRESS = (
    "As many clients of this address are connected, and not authenticated, as may; try again"
)

Cut = Callable[[str], Awaitable[None]]


class Connections:
    """Counts them, and cuts each that does not authenticate in time. `unknown` counts those that
    have not done so yet, by address. They get half of the room: the rest is for those that have.
    """

    def __init__(
        self, clients_max: int, within_seconds: float, cut: Cut, unknown: OpenConnections
    ) -> None:
        self._clients_max, self._within_seconds, self._cut = clients_max, within_seconds, cut
        self._unknown_max = max(1, clients_max // 2)
        self._unknown = unknown
        self._addresses: dict[str, str] = {}
        """Of those that have not authenticated."""
        self._open: dict[str, asyncio.TimerHandle | None] = {}
        self._traffic: dict[str, Traffic] = {}
        self._cutting: set[asyncio.Task[None]] = set()
        self.is_closed = False

    @property
    def open(self) -> tuple[str, ...]:
        return tuple(self._open)

    def enter(self, id: str, address: str) -> str | None:
        """Why it is refused: it is one too many of all, of those that have not authenticated, or of
        these at its address; or this process stops. None: it is in.
        """
        if self.is_closed or len(self._open) >= self._clients_max:
            metrics.REFUSED.labels("stopping" if self.is_closed else "full").inc()
            return TOO_MANY
        if len(self._addresses) >= self._unknown_max:
            metrics.REFUSED.labels("unauthenticated").inc()
            return TOO_MANY_UNKNOWN
        if not self._unknown.enter(address):
            self._unknown.leave(address)
            metrics.REFUSED.labels("address").inc()
            return TOO_MANY_OF_ADDRESS
        self._addresses[id] = address
        loop = asyncio.get_running_loop()
        self._open[id] = loop.call_later(self._within_seconds, self._too_late, id)
        self._traffic[id] = Traffic()
        metrics.CLIENTS.set(len(self._open))
        return None

    def traffic(self, id: str) -> Traffic | None:
        """None: the connection has ended."""
        return self._traffic.get(id)

    def has_authenticated(self, id: str) -> None:
        """It may stay as long as its credential is valid."""
        self._is_known(id)
        if (timer := self._open.get(id)) is not None:
            timer.cancel()
            self._open[id] = None

    def leave(self, id: str) -> None:
        self._is_known(id)
        self._traffic.pop(id, None)
        if timer := self._open.pop(id, None):
            timer.cancel()
        metrics.CLIENTS.set(len(self._open))

    def _is_known(self, id: str) -> None:
        """It counts with its address no longer. Safe to do twice."""
        if (address := self._addresses.pop(id, None)) is not None:
            self._unknown.leave(address)

    def _too_late(self, id: str) -> None:
        metrics.CUT.labels("unauthenticated").inc()
        task: asyncio.Task[Any] = asyncio.ensure_future(self._cut(id))
        self._cutting.add(task)
        task.add_done_callback(self._cutting.discard)
