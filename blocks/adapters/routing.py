"""Topic patterns as AMQP 0-9-1 defines them: words between dots, `*` is one word, `#` is any number
of words.
"""

from functools import lru_cache


@lru_cache(maxsize=4096)
def matches(pattern: str, routing_key: str) -> bool:
    """True if a queue bound with this pattern receives this routing key."""
    return _match(tuple(pattern.split(".")), tuple(routing_key.split(".")))


def _match(pattern: tuple[str, ...], words: tuple[str, ...]) -> bool:
    match pattern:
        case ():
            return not words
        case ("#", *rest):
            return any(_match(tuple(rest), words[skipped:]) for skipped in range(len(words) + 1))
        case (first, *rest):
            return bool(words) and first in ("*", words[0]) and _match(tuple(rest), words[1:])
    raise AssertionError("a tuple is empty or has a first item")
