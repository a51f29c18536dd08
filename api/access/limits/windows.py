"""Counting by the minute: how often something happened in the current window, for at most so many
somethings.

Our own, because the memory storage of the library `limits` (5.8) keeps every key until its window
ends, looks through all of them after each count and goes by the wall clock: a flood from many
addresses would slow down every tenant.
"""

from collections import OrderedDict
from collections.abc import Callable
from math import ceil
from time import monotonic

import msgspec

WINDOW_SECONDS = 60
KEYS_MAX = 10_000
"""Beyond that the oldest window is forgotten: memory stays bounded, whoever calls."""


class Window(msgspec.Struct):
    """The window of one key; it begins with what is counted first."""

    ends_at: float
    count: int = 0


class Windows:
    """Lives as long as the application, and is this process's own."""

    def __init__(self, clock: Callable[[], float] = monotonic, keys_max: int = KEYS_MAX) -> None:
        self._clock, self._keys_max = clock, keys_max
        self._windows: OrderedDict[str, Window] = OrderedDict()

    def count(self, key: str) -> int:
        """Counts one more; returns how many there are now."""
        window = self._current(key)
        if window is None:
            window = self._begun(key)
        window.count += 1
        return window.count

    def counted(self, key: str) -> int:
        window = self._current(key)
        return window.count if window else 0

    def seconds_left(self, key: str) -> int:
        """Until the key's count is zero again; a whole window if nothing was counted. Never 0."""
        window = self._current(key)
        return max(1, ceil(window.ends_at - self._clock())) if window else WINDOW_SECONDS

    def _current(self, key: str) -> Window | None:
        window = self._windows.get(key)
        return window if window and self._clock() < window.ends_at else None

    def _begun(self, key: str) -> Window:
        self._windows.pop(key, None)
        while len(self._windows) >= self._keys_max:
            self._windows.popitem(last=False)
        self._windows[key] = window = Window(self._clock() + WINDOW_SECONDS)
        return window
