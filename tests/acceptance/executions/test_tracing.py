"""One trace follows an event from its AMQP headers to the event that announces its end, and on to
who reads it.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from blocks.contracts import ids, traces
from blocks.contracts.analysis import ANALYSIS_STEPS, WORKFLOW
from blocks.contracts.traces import TraceContext
from blocks.ports import Accept, Delivery, Message, Queue, Verdict
from tests.support.factories import A_TENANT
from tests.support.servers.otlp_collector import Collector, ReceivedSpan, an_otlp_collector
from tests.support.servers.prefect_server import PrefectServer
from tests.support.servers.rabbitmq import RabbitMQNode
from tests.support.system.analysis_services import AnalysisServices, opportunity_event
from tests.support.system.orchestra import Orchestra, client_of, on_rabbitmq, orchestra
from tests.support.waiting import eventually

CALLER = TraceContext("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")


@pytest.fixture
def collector() -> Iterator[Collector]:
    with an_otlp_collector() as collector:
        yield collector


@pytest.fixture
async def parts(
    tmp_path: Path, prefect_server: PrefectServer, rabbitmq: RabbitMQNode, collector: Collector
) -> AsyncIterator[Orchestra]:
    exports = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "200"}
    async with orchestra(
        tmp_path, prefect_server, **on_rabbitmq(rabbitmq, tmp_path.name), **exports
    ) as parts:
        yield parts


async def test_a_trace_goes_from_an_amqp_header_over_the_four_steps_to_the_api(
    parts: Orchestra, services: AnalysisServices, collector: Collector
) -> None:
    event = opportunity_event(A_TENANT, str(uuid4()), id=str(uuid4()))
    execution_id = ids.execution_id(A_TENANT, WORKFLOW, event.id)
    async with messages_of(parts) as messages:
        for process in (parts.listener, parts.worker, parts.api):
            process.start()
        await parts.bus.publish(
            msgspec.structs.replace(event, headers={traces.HEADER: str(CALLER)})
        )
        whole = await span_named(collector, WORKFLOW)
        document = await read_execution(
            parts, execution_id, TraceContext(whole.trace_id, whole.span_id)
        )
        read = await span_named(collector, "GET /api/v1/executions/{executionId}")
        carried = {
            type: TraceContext.parse(message.headers.get(traces.HEADER))
            for type, message in messages.items()
        }

    assert CALLER.trace_id == document["traceId"] == whole.trace_id == read.trace_id
    assert (CALLER.span_id, "worker") == (whole.parent_id, whole.component)
    below = {span.name: span for span in collector.spans if span.parent_id == whole.span_id}
    assert {step.name for step in ANALYSIS_STEPS} | {"wait for a worker", read.name} == set(below)
    assert all(whole.began <= below[step.name].began for step in ANALYSIS_STEPS)
    assert (
        TraceContext(whole.trace_id, whole.span_id)
        == carried["workflow.opportunity.analysis.completed"]
    )
    for step in ANALYSIS_STEPS:
        assert (
            TraceContext(whole.trace_id, below[step.name].span_id)
            == carried[step.request.event_type]
        )


@asynccontextmanager
async def messages_of(parts: Orchestra) -> AsyncIterator[dict[str, Message]]:
    """The last message of each type that goes over the exchange, headers included."""
    queue, messages = Queue(name=f"messages-{parts.name}", bindings=["#"]), {}

    async def keep(delivery: Delivery) -> Verdict:
        messages[delivery.message.routing_key] = delivery.message
        return Accept()

    await parts.bus.declare(queue)
    async with parts.bus.consume(queue, keep):
        yield messages


async def span_named(collector: Collector, name: str) -> ReceivedSpan:
    async def found() -> ReceivedSpan | None:
        return next((span for span in collector.spans if span.name == name), None)

    try:
        return await eventually(found, within_seconds=60) or pytest.fail(f"no span {name}")
    except AssertionError as error:
        raise AssertionError(
            f"{error}; there are {[span.name for span in collector.spans]}"
        ) from None


async def read_execution(
    parts: Orchestra, execution_id: str, seen_from: TraceContext
) -> dict[str, Any]:
    """What the API answers to a reader who is part of the trace."""
    async with client_of(parts) as client:
        answer = await client.get(
            f"/api/v1/executions/{execution_id}", headers={traces.HEADER: str(seen_from)}
        )
        document: dict[str, Any] = answer.raise_for_status().json()
        return document
