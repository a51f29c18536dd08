"""What is being worked on just now, so that every log record of it says so; see `deployments.logs`.

Purpose: whoever takes up a request, a message or a flow run opens a `log_context`; whoever learns more of it adds that.
Contract: what is started inside inherits it, tasks included; at the end of the `with`, all is as before.
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
"""What may be told, and as which field."""

_known: ContextVar[Mapping[str, str]] = ContextVar("log context", default=MappingProxyType({}))


@contextmanager
def log_context(**known: str | None) -> Iterator[None]:
    """Log records say this, too, while the context lasts."""
    before = _known.set({**_known.get(), **_fields(known)})
    try:
        yield
    finally:
        _known.reset(before)


def add(**known: str | None) -> None:
    """Log records say this, too, until the innermost `log_context` ends."""
    _known.set({**_known.get(), **_fields(known)})


def current() -> Mapping[str, str]:
    """The fields of a log record that is made now."""
    return _known.get()


def _fields(known: Mapping[str, str | None]) -> dict[str, str]:
    return {NAMES[name]: value for name, value in known.items() if value}
