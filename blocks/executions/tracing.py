"""One trace per execution, from the event that caused it to the event that announced its end.

An execution waits for minutes or days, moves between processes and survives their crashes, so no
process keeps a span open for it. The records hold all times: once the end has been announced, the
spans are made from them, under computed ids. Requests and events carry the context of their span,
so the spans of other services fall into place.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from blocks.contracts.records import ExecutionRecord
from blocks.ports import RecordStore, Unavailable
from blocks.settings import Tracing

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

    from blocks.executions.spans import Tracer

log = logging.getLogger(__name__)

_tracer: "Tracer | None" = None


@contextmanager
def tracing(settings: Tracing, process: str) -> Iterator[None]:
    """While this lasts, what this process sees end is traced, if a collector is configured; then
    the rest is sent.
    """
    global _tracer
    if not settings.otlp_endpoint:
        yield
        return
    from blocks.executions.spans import Tracer

    _tracer = Tracer(settings.otlp_endpoint, process)
    try:
        yield
    finally:
        provider, _tracer = _tracer.provider, None
        provider.shutdown()


def provider() -> "TracerProvider | None":
    """For libraries that make spans of their own; None where nothing is traced."""
    return _tracer.provider if _tracer else None


async def export(store: RecordStore, ended: Sequence[ExecutionRecord]) -> None:
    """These executions are traced, if anything is. What cannot be read now is not."""
    if _tracer is None:
        return
    try:
        await _tracer.export(store, ended)
    except Unavailable as error:
        log.warning("%d executions are not traced: %s", len(ended), error)
