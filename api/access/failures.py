"""Failed authentications, counted by client address, to slow down guessing.

Past the limit, an address is answered 429 instead of the reason, and only API keys that were valid
before are looked up for it. A valid token, or a key in use, passes: behind an undeclared proxy all
callers share one address, and none of them may lock out the others.
"""

from api.access.errors import CredentialInvalid, TooManyFailures
from api.access.windows import Windows


class Failures:
    """Lives as long as the application; counts for this process."""

    def __init__(self, per_minute: int) -> None:
        self._per_minute, self._windows = per_minute, Windows()

    def are_too_many(self, address: str) -> bool:
        return self._windows.counted(address) >= self._per_minute

    def counted(
        self, address: str, error: CredentialInvalid
    ) -> CredentialInvalid | TooManyFailures:
        """Counts the failure; returns the error for the caller."""
        if self.are_too_many(address):
            return TooManyFailures(self._windows.seconds_left(address))
        self._windows.count(address)
        return error
