"""An OpenTelemetry collector: a real OTLP endpoint on the loopback address that remembers the spans
it was sent.
"""

import gzip
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.support.servers.webhook_receiver import Answer, Receiver, a_receiver


class ReceivedSpan(msgspec.Struct, frozen=True, kw_only=True):
    """A span as it came over the wire; ids in hexadecimal digits, `parent_id` empty at the root,
    times in seconds.
    """

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    component: str
    began: float
    lasted: float
    attributes: dict[str, str]


class Collector:
    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self.url = f"http://{receiver.authority}"

    @property
    def spans(self) -> list[ReceivedSpan]:
        """Those received so far, each once however often it was sent, in the order in which they
        began.
        """
        spans = [
            span
            for received in self._receiver.received
            for span in _spans_in(received.body, received.headers)
        ]
        return sorted({span.span_id: span for span in spans}.values(), key=lambda span: span.began)


@contextmanager
def an_otlp_collector() -> Iterator[Collector]:
    """Receives while the context lasts."""
    with a_receiver(Answer(status=200)) as receiver:
        yield Collector(receiver)


def _spans_in(body: bytes, headers: dict[str, str]) -> Iterator[ReceivedSpan]:
    if headers.get("content-encoding") == "gzip":
        body = gzip.decompress(body)
    for of_resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        resource = {
            attribute.key: attribute.value.string_value
            for attribute in of_resource.resource.attributes
        }
        for span in (span for of_scope in of_resource.scope_spans for span in of_scope.spans):
            yield ReceivedSpan(
                trace_id=span.trace_id.hex(),
                span_id=span.span_id.hex(),
                parent_id=span.parent_span_id.hex(),
                name=span.name,
                component=resource.get("service.component", ""),
                began=span.start_time_unix_nano / 1e9,
                lasted=(span.end_time_unix_nano - span.start_time_unix_nano) / 1e9,
                attributes={
                    attribute.key: attribute.value.string_value for attribute in span.attributes
                },
            )
