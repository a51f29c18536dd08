"""The form in which events are published is a setting: the documented one, or the one that the
platform's running library reads.
"""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from blocks.adapters.formed_bus import FormedEventBus
from blocks.contracts.envelope import (
    Event,
    EventMetadata,
    decode_event,
    encode_event,
    glance,
)
from blocks.contracts.events import CONSUMED, PUBLISHED, WEBHOOK_DUE, EventData
from blocks.contracts.events.forms import AS_DOCUMENTED, Form, in_form
from blocks.contracts.schemas import asyncapi, event_schemas
from blocks.messages import to_message
from blocks.ports import EventBus, Message
from blocks.services import form_of
from blocks.settings import BadSetting, load_settings
from tests.support.platform.validator import faults
from tests.unit.contracts.test_schemas import EXAMPLES, NOW, TENANT

TEXT = AS_DOCUMENTED
OBJECT = Form("object")
THREE = Form("text", "three-segments")
LIBRARY = Form("object", "three-segments")
FORMS = (TEXT, OBJECT, THREE, LIBRARY)

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

every_example = pytest.mark.parametrize("data", EXAMPLES, ids=lambda data: data.event_type)
every_form = pytest.mark.parametrize("form", FORMS, ids=str)


class Exchange:
    """Keeps what reaches it."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    async def publish(self, *messages: Message, required: bool = False) -> None:
        self.messages += messages


def an_event(data: EventData, **changes: Any) -> Event[EventData]:
    event = Event(id=str(uuid4()), tenant_id=TENANT, timestamp=NOW, data=data, traceparent=TRACE)
    return msgspec.structs.replace(event, **changes)


async def published(message: Message, form: Form) -> Message:
    exchange: Any = Exchange()
    await FormedEventBus(exchange, form).publish(message)
    [sent] = exchange.messages
    assert isinstance(sent, Message)
    return sent


# --- what a neighbour reads -----------------------------------------------------------------------


@every_example
async def test_the_platforms_library_reads_every_event_in_its_own_form(data: EventData) -> None:
    event = an_event(data, metadata=EventMetadata(correlation_id="no uuid", user_id="ann"))

    assert [] == faults(json.loads((await published(to_message(event), LIBRARY)).body))


@every_example
async def test_it_refuses_the_documented_form_for_its_source_and_four_segments_for_their_type(
    data: EventData,
) -> None:
    of_type = [] if data.event_type.count(".") == 2 else ["type"]
    message = to_message(an_event(data))

    documented = faults(json.loads((await published(message, TEXT)).body))
    assert [*of_type, "version", "source"] == documented
    assert of_type == faults(json.loads((await published(message, OBJECT)).body))


def test_what_the_library_reads_with_an_object_as_source_is_listed_in_the_docs() -> None:
    readable = {event_type for event_type in PUBLISHED if event_type.count(".") == 2}

    assert {
        "workflow.forecast.requested",
        "workflow.recommendation.requested",
        "workflow.step.completed",
        "workflow.job.trigger",
        "workflow.job.unreported",
        "workflow.operation.started",
        "workflow.operation_step.started",
        "workflow.operation_step.completed",
        "workflow.operation_step.failed",
        "workflow.operation.completed",
        "workflow.operation.failed",
        "hitl.approval.requested",
        "hitl.approval.reminded",
        "hitl.approval.escalated",
        "hitl.approval.advanced",
        "hitl.approval.questioned",
        "hitl.approval.answered",
        "hitl.approval.completed",
    } == readable


# --- what stays -----------------------------------------------------------------------------------


@every_form
@every_example
async def test_an_event_comes_back_as_it_was_from_every_form(data: EventData, form: Form) -> None:
    correlation, event_id = str(uuid4()), str(uuid4())
    event = an_event(data, id=event_id, metadata=EventMetadata(correlation_id=correlation))
    message = to_message(event)

    sent = await published(message, form)

    assert (message.id, message.routing_key, message.timestamp) == (
        sent.id,
        sent.routing_key,
        sent.timestamp,
    )
    assert {**message.headers, "version": form.version} == sent.headers
    assert TRACE == sent.headers["traceparent"]
    read = decode_event(sent.body, received_at=NOW, types={**CONSUMED, **PUBLISHED})
    assert msgspec.structs.replace(event, traceparent=None) == read
    assert data.event_type == glance(sent.body).event_type


@every_form
@given(data=st.sampled_from(EXAMPLES), user=st.none() | st.text() | st.uuids().map(str))
def test_the_same_event_has_the_same_bytes_and_whoever_it_names_the_library_reads_it(
    form: Form, data: EventData, user: str | None
) -> None:
    body = encode_event(an_event(data, id=TENANT, metadata=EventMetadata(user_id=user)))

    formed = in_form(body, form)

    assert formed == in_form(body, form)
    assert json.loads(body)["data"] == json.loads(formed)["data"]
    assert form != LIBRARY or [] == faults(json.loads(formed))


def test_no_name_in_three_segments_is_that_of_another_event() -> None:
    names = [LIBRARY.type_of(event_type) for event_type in PUBLISHED]

    assert len(names) == len(set(names))
    assert not {name for name in names if name not in PUBLISHED} & set(CONSUMED)


async def test_what_is_not_an_event_of_ours_on_the_exchange_stays_as_it_is() -> None:
    ours = to_message(an_event(EXAMPLES[-1]))
    foreign = ours.body.replace(b'"workflow-orchestrator"', b'"risk-analytics"')
    for message in (
        msgspec.structs.replace(ours, routing_key=WEBHOOK_DUE),
        msgspec.structs.replace(ours, body=foreign),
        msgspec.structs.replace(ours, body=b"no json"),
        msgspec.structs.replace(ours, body=b"[" * 10_000),
    ):
        assert message == await published(message, LIBRARY)


# --- settings and schemas -------------------------------------------------------------------------


def test_by_default_events_are_published_as_documented() -> None:
    assert AS_DOCUMENTED == form_of(load_settings({}))
    assert LIBRARY == form_of(
        load_settings({"EVENTS_SOURCE_FORM": "object", "EVENTS_TYPE_FORM": "three-segments"})
    )


@pytest.mark.parametrize("name", ["EVENTS_SOURCE_FORM", "EVENTS_TYPE_FORM"])
def test_another_form_is_refused_by_name(name: str) -> None:
    with pytest.raises(BadSetting, match=rf"_form \({name}\) is 'yaml'"):
        load_settings({name: "yaml"})


@every_form
@every_example
async def test_what_is_published_is_valid_by_the_schema_of_its_form(
    data: EventData, form: Form
) -> None:
    schema = event_schemas(form)[data.event_type]
    metadata = EventMetadata(correlation_id=str(uuid4()))
    sent = json.loads((await published(to_message(an_event(data, metadata=metadata)), form)).body)

    Draft202012Validator.check_schema(schema)
    for other in FORMS:
        validator = Draft202012Validator(
            event_schemas(other)[data.event_type],
            format_checker=Draft202012Validator.FORMAT_CHECKER,
        )
        looks_alike = form.source == other.source and form.type_of(
            data.event_type
        ) == other.type_of(data.event_type)
        assert looks_alike == validator.is_valid(sent)


def test_the_asyncapi_document_shows_the_form_of_what_is_sent_at_the_documented_addresses() -> None:
    documented, formed = asyncapi("1"), asyncapi("1", form=LIBRARY)

    assert documented["channels"] == formed["channels"]
    sent = formed["components"]["messages"]["RiskAnalysisRequested"]["payload"]["properties"]
    assert "workflow.risk_analysis.requested" == sent["type"]["const"]
    assert "object" == sent["source"]["type"]
    received = formed["components"]["messages"]["ForecastCompleted"]["payload"]
    assert documented["components"]["messages"]["ForecastCompleted"]["payload"] == received


async def test_a_bus_that_is_opened_publishes_in_the_form_of_the_settings(tmp_path: Any) -> None:
    from blocks.ports import Queue
    from blocks.services import open_bus

    settings = load_settings(
        {"ORCHESTRATOR_DATA_DIR": str(tmp_path), "EVENTS_SOURCE_FORM": "object"}
    )
    queue = Queue(name=settings.rabbitmq.batch_jobs_queue, bindings=["workflow.job.trigger"])
    trigger = next(data for data in EXAMPLES if data.event_type == "workflow.job.trigger")
    bus: EventBus
    async with open_bus(settings, "test") as bus:
        await bus.declare(queue)
        await bus.publish(to_message(an_event(trigger, timestamp=datetime.now(UTC))), required=True)
        [message] = await bus.peek(queue.name)

    assert [] == faults(json.loads(message.body))
