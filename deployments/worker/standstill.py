"""A process that stood still was dead for the others: what it held may have been given to somebody else."""

from time import monotonic


class Standstill:
    """Measures from look to look, which must come more often than `limit_seconds`."""

    def __init__(self, limit_seconds: float) -> None:
        self._limit_seconds = limit_seconds
        self._looked_at = monotonic()

    def look(self) -> float:
        """For how many seconds the process has just stood still; 0 if for no longer than the limit."""
        since, self._looked_at = self._looked_at, monotonic()
        seconds = self._looked_at - since
        return seconds if seconds > self._limit_seconds else 0.0
