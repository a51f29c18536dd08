"""What an audit finds: one form for all of its steps."""

from collections.abc import Iterable, Sequence
from typing import Literal, get_args

import msgspec

from blocks.contracts.events import JsonObject
from blocks.observability.plain_text import shortened

Severity = Literal["critical", "high", "medium", "low"]

SEVERITIES: tuple[Severity, ...] = get_args(Severity)
"""The worst first."""

FINDINGS_MAX = 500
"""Of one step, the worst first: its result is one record. The count is of all."""

_TEXT_MAX = 300


class Finding(msgspec.Struct, frozen=True):
    """Something that is not as it should be."""

    severity: Severity
    subject: str
    """What it is about: a package and its version, a path, a role, a key, who sent requests."""
    problem: str
    remedy: str
    """What to do about it."""


def finding(severity: Severity, subject: str, problem: str, remedy: str) -> Finding:
    """Its texts are of bounded length, on one line each."""
    return Finding(severity, *(shortened(text, _TEXT_MAX) for text in (subject, problem, remedy)))


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    return sorted(findings, key=lambda one: (SEVERITIES.index(one.severity), one.subject))


def listed(name: str, findings: Sequence[Finding]) -> JsonObject:
    """The findings under this name, as part of a step's result."""
    return {name: msgspec.to_builtins(worst_first(findings)[:FINDINGS_MAX])}
