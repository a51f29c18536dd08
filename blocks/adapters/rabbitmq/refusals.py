"""What RabbitMQ writes when a declaration is refused, read as a `Mismatch`.

Source of the words: `rabbit_misc:assert_field_equivalence` and `rabbit_misc:val`, the same from
RabbitMQ 3.8 to 4.1.
"""

import re

from blocks.ports import Mismatch

NOT_SET, EMPTY = "not set", "empty"

_INEQUIVALENT = re.compile(
    r"inequivalent arg '(?P<argument>[^']*)' for (?P<kind>queue|exchange) '(?P<name>.*)' "
    r"in vhost '.*': received (?P<declared>.*) but current is (?P<existing>.*)",
    re.DOTALL,
)
_VALUE = re.compile(r"the value '(?P<typed>.*)' of type '\w+'|'(?P<bare>.*)'", re.DOTALL)


def mismatch_of(refusal: str) -> Mismatch | None:
    """What differs, or None: it was refused for another reason."""
    found = _INEQUIVALENT.search(refusal)
    if not found:
        return None
    return Mismatch(
        kind="queue" if found["kind"] == "queue" else "exchange",
        name=found["name"],
        argument=found["argument"],
        existing=_value(found["existing"]),
        declared=_value(found["declared"]),
    )


def _value(text: str) -> str:
    """`'true'`, `none`, or `the value 'quorum' of type 'longstr'`."""
    found = _VALUE.fullmatch(text)
    if not found:
        return NOT_SET if text == "none" else text
    return found["typed"] or found["bare"] or EMPTY
