"""Credentials that were not valid, by the address they came from: whoever guesses is slowed down.

Past the bound, an address is told to come back later instead of what was wrong, and no API key of it is looked up that
was not good before. A good token, or a key in use, passes: behind a proxy that nobody told us of, all callers have one
address, and nobody may lock the others out.
"""

from api.access.windows import Windows
from api.http.errors import CredentialInvalid, TooManyFailures


class Failures:
    """Lives as long as the application; counts for this process."""

    def __init__(self, per_minute: int) -> None:
        self._per_minute, self._windows = per_minute, Windows()

    def are_too_many(self, address: str) -> bool:
        return self._windows.counted(address) >= self._per_minute

    def counted(self, address: str, error: CredentialInvalid) -> CredentialInvalid | TooManyFailures:
        """The failure is counted; what the caller is told of it."""
        if self.are_too_many(address):
            return TooManyFailures(self._windows.seconds_left(address))
        self._windows.count(address)
        return error
