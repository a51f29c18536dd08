"""The result of a check."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Literal

import msgspec

State = Literal["ok", "warning", "failed"]

EXIT_CODES: dict[State, int] = {"ok": 0, "warning": 1, "failed": 2}
"""As plugins of Nagios, Icinga and Sensu are expected to exit."""


class Finding(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One line of the report; `todo` is empty where all is well."""

    part: str
    state: State
    found: str
    todo: str = ""


def ok(part: str, found: str) -> Finding:
    return Finding(part=part, state="ok", found=found)


def warning(part: str, found: str, todo: str) -> Finding:
    return Finding(part=part, state="warning", found=found, todo=todo)


def failed(part: str, found: str, todo: str) -> Finding:
    return Finding(part=part, state="failed", found=found, todo=todo)


def worst(findings: Iterable[Finding]) -> State:
    """The state of the whole."""
    return max(
        (finding.state for finding in findings), key=lambda state: EXIT_CODES[state], default="ok"
    )


def counted(number: int, noun: str) -> str:
    """`1 worker`, `2 workers`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def in_words(age: timedelta) -> str:
    """A duration in its largest unit: `45 s`, `12 min`, `3 h`, `2 d`."""
    seconds = max(age.total_seconds(), 0.0)
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
