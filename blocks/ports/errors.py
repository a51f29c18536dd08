"""What a call of an outside system may raise."""


class Unavailable(Exception):
    """The outside system does not answer now. The same call may succeed later; nothing is known to
    have happened.
    """


class Throttled(Unavailable):
    """The outside system refuses more requests for now: retry after so many seconds."""

    def __init__(self, message: str, retry_after_seconds: float) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class Unroutable(Exception):
    """The broker has no queue for this message, and the caller required one. Nothing was stored."""


class TooLarge(Exception):
    """The record has more bytes than a store takes. Nothing was written; the same call fails
    again.
    """


class AlreadyExists(Exception):
    """A record with this id exists: another writer was first, or this one was, before a crash."""


class NotFound(Exception):
    """The tenant has no such record. Another tenant's record is not found either."""


class UnreadableRecord(Exception):
    """A record holds what no version up to this one writes. Reading it again does not help: a
    person has to mend it, or a newer version to read it.
    """


class Stale(Exception):
    """The record changed since it was read: read it again and decide again."""


class WrongVersion(Stale):
    """The record is not at the version that the caller named: reading it again does not help, the
    caller decides.
    """
