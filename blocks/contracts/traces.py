"""Trace contexts, as W3C writes them in a `traceparent`: https://www.w3.org/TR/trace-context/

They are computed, like all our ids: the execution's trace is the one that its event came with, or
one of its own, and each span has the same id, however often it is exported.
"""

import re
from collections.abc import Sequence
from typing import Protocol, Self

import msgspec

from blocks.contracts import ids

HEADER = "traceparent"

_TRACEPARENT = re.compile(
    r"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}"
)


class TraceContext(msgspec.Struct, frozen=True):
    """A span in a trace: 32 and 16 lower-case hexadecimal digits."""

    trace_id: str
    span_id: str

    @classmethod
    def parse(cls, traceparent: str | None) -> Self | None:
        """The context in the header; None if there is none, or not W3C's, which must be ignored."""
        found = _TRACEPARENT.fullmatch(traceparent or "")
        return cls(*found.groups()) if found else None

    def __str__(self) -> str:
        """The header's value. Every trace is sampled: the exporter decides what is kept."""
        return f"00-{self.trace_id}-{self.span_id}-01"


class Caused(Protocol):
    """An event that an execution came from."""

    @property
    def traceparent(self) -> str | None: ...


class Traced(Protocol):
    """An execution's record, as far as its trace depends on it."""

    @property
    def id(self) -> str: ...

    @property
    def triggers(self) -> Sequence[Caused]: ...

    @property
    def retries(self) -> int: ...


def cause_of(execution: Traced) -> TraceContext | None:
    """The span that the execution's first event came from, if the event named one."""
    return TraceContext.parse(execution.triggers[0].traceparent) if execution.triggers else None


def of_execution(execution: Traced) -> TraceContext:
    """The span of this try of the execution."""
    return of_part(execution, "execution")


def of_part(execution: Traced, part: str) -> TraceContext:
    """The span of a step, or of another part, in this try of the execution."""
    cause = cause_of(execution)
    trace_id = cause.trace_id if cause else ids.trace_id(execution.id)
    return TraceContext(trace_id, ids.span_id(execution.id, part, execution.retries))
