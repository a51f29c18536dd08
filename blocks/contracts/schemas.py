"""JSON Schemas of the published events and the AsyncAPI document, made from the same Structs that
are encoded.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from blocks.contracts import envelope, events
from blocks.contracts.events.forms import (
    AS_DOCUMENTED,
    Form,
    LibraryMetadata,
    Source,
    SourceForm,
)

JsonSchema = dict[str, Any]

_SOURCE: Mapping[SourceForm, JsonSchema] = {
    "text": {"type": "string", "const": envelope.SERVICE},
    "object": {
        "type": "object",
        "required": ["service", "instance"],
        "properties": {
            "service": {"type": "string", "const": Source().service},
            "instance": {"type": "string", "const": Source().instance},
        },
    },
}

_UUID: JsonSchema = {"type": "string", "format": "uuid"}
_LIBRARY_METADATA: JsonSchema = {
    "metadata": {
        "type": "object",
        "properties": {
            field.encode_name: _UUID for field in msgspec.structs.fields(LibraryMetadata)
        },
    }
}


def event_schemas(form: Form = AS_DOCUMENTED) -> dict[str, JsonSchema]:
    """The JSON Schema (draft 2020-12) of every published event, by its routing key; each is
    complete in itself.
    """
    return {event_type: _event_schema(data, form) for event_type, data in events.PUBLISHED.items()}


def asyncapi(
    version: str, exchange: str = "coder_events", form: Form = AS_DOCUMENTED
) -> JsonSchema:
    """AsyncAPI 3.0 document: what is sent to and received from the topic exchange, one channel per
    event type.
    """
    every = {**events.CONSUMED, **events.PUBLISHED}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "workflow-orchestrator",
            "version": version,
            "description": "Events of the workflow orchestrator on the platform's topic exchange.",
        },
        "defaultContentType": "application/json",
        "channels": {
            event_type: {
                "address": event_type,
                "messages": {data.__name__: {"$ref": f"#/components/messages/{data.__name__}"}},
                "bindings": {
                    "amqp": {
                        "is": "routingKey",
                        "exchange": {"name": exchange, "type": "topic", "durable": True},
                    }
                },
            }
            for event_type, data in every.items()
        },
        "operations": {
            f"{action}{data.__name__}": {
                "action": action,
                "channel": {"$ref": f"#/channels/{event_type}"},
                "summary": _summary(data),
            }
            for action, table in (("send", events.PUBLISHED), ("receive", events.CONSUMED))
            for event_type, data in table.items()
        },
        "components": {
            "messages": {
                data.__name__: {
                    "name": event_type,
                    "summary": _summary(data),
                    "payload": _event_schema(
                        data, form if event_type in events.PUBLISHED else AS_DOCUMENTED
                    ),
                }
                for event_type, data in every.items()
            }
        },
    }


def _event_schema(data: type[events.EventData], form: Form) -> JsonSchema:
    schema = msgspec.json.schema(envelope.WireEnvelope)
    properties = schema["$defs"]["WireEnvelope"]["properties"]
    data_schema = msgspec.json.schema(data)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": data.event_type,
        "description": _summary(data),
        "type": "object",
        "required": ["id", "type", "version", "timestamp", "tenantId", "source", "data"],
        "properties": {
            **properties,
            "id": {"type": "string", "format": "uuid"},
            "type": {"type": "string", "const": form.type_of(data.event_type)},
            "version": {"type": "string", "const": form.version},
            "tenantId": {"type": "string", "format": "uuid"},
            "source": _SOURCE[form.source],
            **(_LIBRARY_METADATA if form.source == "object" else {}),
            "data": data_schema["$defs"][data.__name__],
        },
        "$defs": {
            name: definition
            for name, definition in {**schema["$defs"], **data_schema["$defs"]}.items()
            if name not in ("WireEnvelope", data.__name__)
        },
    }


def _summary(data: type[events.EventData]) -> str:
    return (data.__doc__ or data.event_type).strip().splitlines()[0]
