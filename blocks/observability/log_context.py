"""The current piece of work, added to every log record; see `deployments.logs`.

Purpose: the code that receives a request, a message or a flow run opens a `log_context`; code that
learns more adds to it.
Contract: what is started inside inherits it, tasks included; at the end of the `with`, the previous
context is restored.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType

NAMES: Mapping[str, str] = MappingProxyType(
    {
        "tenant_id": "tenantId",
        "execution_id": "executionId",
        "flow_run_id": "flowRunId",
        "request_id": "requestId",
        "trace_id": "traceId",
    }
)
"""What may be logged, and as which field."""

_known: ContextVar[Mapping[str, str]] = ContextVar("log context", default=MappingProxyType({}))


@contextmanager
def log_context(**known: str | None) -> Iterator[None]:
    """Log records carry these fields, too, while the context lasts."""
    before = _known.set({**_known.get(), **_fields(known)})
    try:
        yield
    finally:
        _known.reset(before)


def add(**known: str | None) -> None:
    """Log records carry these fields, too, until the innermost `log_context` ends."""
    _known.set({**_known.get(), **_fields(known)})


def clear() -> None:
    """Log records carry none of these fields: for what serves all pieces of work."""
    _known.set(MappingProxyType({}))


def current() -> Mapping[str, str]:
    """The fields of a log record that is made now."""
    return _known.get()


def _fields(known: Mapping[str, str | None]) -> dict[str, str]:
    return {NAMES[name]: value for name, value in known.items() if value}
