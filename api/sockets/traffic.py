"""What a connection may send: text, and so much in a while."""

from time import monotonic

AT_ONCE_MAX = 200
"""Packets; a page that follows as many syncs as it may sends a quarter of that when it connects."""

PER_SECOND = 10.0

_BINARY_KINDS = ("5", "6")
"""Of Socket.IO: an event, or an answer, whose attachments follow. They are kept until the last one
comes, also when the client has gone, and no event here has any.
"""


def is_binary(packet: object) -> bool:
    """Whether it is, or announces, what no client of ours has to send."""
    return not isinstance(packet, str) or packet.startswith(_BINARY_KINDS)


class Traffic:
    """Of one connection: a bucket of packets that fills again with time."""

    def __init__(self) -> None:
        self._left, self._at = float(AT_ONCE_MAX), monotonic()

    def takes(self) -> bool:
        """Whether one more packet is within the limit; it counts."""
        now = monotonic()
        self._left = min(self._left + (now - self._at) * PER_SECOND, AT_ONCE_MAX)
        self._at = now
        self._left -= 1
        return self._left >= 0
