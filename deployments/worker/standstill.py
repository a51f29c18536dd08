"""Detects that a process was suspended: its runs may have been claimed by others."""

from time import monotonic


class Standstill:
    """Measures the time between looks, which must come more often than `limit_seconds`."""

    def __init__(self, limit_seconds: float) -> None:
        self._limit_seconds = limit_seconds
        self._looked_at = monotonic()

    def look(self) -> float:
        """How many seconds the process has just been suspended; 0 if within the limit."""
        since, self._looked_at = self._looked_at, monotonic()
        seconds = self._looked_at - since
        return seconds if seconds > self._limit_seconds else 0.0
