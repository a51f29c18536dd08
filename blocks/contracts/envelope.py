"""How an event travels: one documented spelling out, every known spelling in.

Out: version `1.0.0`, `source` a string, tenant in the envelope (the platform's documented
envelope). What is published in another form is made from that: `events.forms`.
In: version `1.0` or `1.0.0`, `source` a string or `{service, instance}`, the tenant in the envelope
or in the data, event types of two to four segments, ids in any case, moments with any offset or
none, and what `lenient` reads besides. `decode_event` is the only entry: past it, everything is a
typed Struct, in one spelling and in UTC.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any, Generic, TypeVar

import msgspec

from blocks.contracts import rejections
from blocks.contracts.about import About
from blocks.contracts.events import CONSUMED, EventData, OpportunityEvent
from blocks.contracts.events.forms import DOCUMENTED_VERSION, documented_type
from blocks.contracts.events.forms import SERVICE as SERVICE
from blocks.contracts.reading import lenient
from blocks.contracts.reading.carriable import uncarriable
from blocks.contracts.reading.moments import Moment, in_utc
from blocks.contracts.reading.normalised import Normalised
from blocks.contracts.reading.repeated_keys import RepeatedKey, refuse_repeated_keys
from blocks.contracts.reading.uuids import canonical_uuid as canonical_uuid
from blocks.contracts.reading.uuids import matching_id
from blocks.contracts.rejections import Rejected

MAX_EVENT_BYTES = 256 * 1024
ID_LENGTH_MAX = 200
PUBLISHED_VERSION = DOCUMENTED_VERSION
ACCEPTED_VERSIONS = ("1.0", "1.0.0")
EVENT_TYPE = re.compile(r"[a-z_]+(\.[a-z0-9_]+){1,3}")

D = TypeVar("D", bound=EventData, covariant=True)


class EventMetadata(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    correlation_id: str | None = None
    causation_id: str | None = None
    user_id: str | None = None


class Event(msgspec.Struct, Generic[D], frozen=True, kw_only=True):
    """An event inside this system: its content (`data`), source, tenant and id."""

    id: str
    tenant_id: str
    timestamp: datetime
    data: D
    source: str = SERVICE
    metadata: EventMetadata = EventMetadata()
    traceparent: str | None = None
    """The span that it belongs to, in W3C's words; a header of the message, not a field of the
    envelope.
    """
    about: About = About()
    """Headers of the message, too."""
    digest: str = ""
    """SHA-256 of the body it was read from, in hexadecimal, to recognise a repetition; empty until
    it is routed.
    """

    @property
    def type(self) -> str:
        return self.data.event_type


class WireEnvelope(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The documented envelope, as published. `tenantId` is a UUID, `timestamp` ISO 8601 in UTC."""

    id: str
    type: str
    timestamp: Moment
    tenant_id: str
    data: Any
    version: str = PUBLISHED_VERSION
    source: str = SERVICE
    metadata: EventMetadata | msgspec.UnsetType = msgspec.UNSET


class _Source(msgspec.Struct, frozen=True):
    service: str = "unknown"
    instance: str | None = None


class _IncomingEnvelope(Normalised, frozen=True, kw_only=True, rename="camel"):
    """Any spelling of the envelope; the data stays raw until the type determines its schema."""

    id: str
    type: str
    data: msgspec.Raw
    timestamp: datetime | None = None
    version: str = PUBLISHED_VERSION
    tenant_id: str | None = None
    source: str | _Source = "unknown"
    metadata: EventMetadata | None = None
    # shard-manager writes these two at the top level
    correlation_id: str | None = None
    user_id: str | None = None


class _DataTenant(msgspec.Struct, frozen=True, rename="camel"):
    tenant_id: str | None = None


class _Glanced(msgspec.Struct, frozen=True, rename="camel"):
    id: Any = None
    type: Any = None
    tenant_id: Any = None
    data: msgspec.Raw = msgspec.Raw(b"{}")


class _GlancedData(msgspec.Struct, frozen=True, rename="camel"):
    tenant_id: Any = None
    workflow_id: Any = None
    opportunity_id: Any = None
    job: Any = None


class UnknownEventType(Exception):
    """A well-formed event of a type not handled here: ordinary traffic, not an error."""

    def __init__(self, event_type: str) -> None:
        super().__init__(event_type)
        self.event_type = event_type


def encode_event(event: Event[EventData]) -> bytes:
    """The event in the documented envelope, as JSON."""
    return _encoder.encode(
        WireEnvelope(
            id=event.id,
            type=event.type,
            timestamp=event.timestamp,
            tenant_id=event.tenant_id,
            data=event.data,
            source=event.source,
            metadata=event.metadata if event.metadata != EventMetadata() else msgspec.UNSET,
        )
    )


def decode_event(
    body: bytes, *, received_at: datetime, types: Mapping[str, type[EventData]] = CONSUMED
) -> Event[EventData]:
    """The typed event in these bytes.

    Raises `Rejected` with the code of what is wrong (size, JSON, schema, version, tenant, in this
    order), and `UnknownEventType` for a well-formed one of a type not in `types`. `received_at`
    stands in for a missing timestamp.
    """
    if len(body) > MAX_EVENT_BYTES:
        raise Rejected(
            rejections.TOO_LARGE, f"{len(body):,} bytes; at most {MAX_EVENT_BYTES:,} are accepted"
        )
    envelope = _decode(body, _incoming_decoder)
    _refuse_repeated(body)
    if not EVENT_TYPE.fullmatch(envelope.type):
        raise Rejected(
            rejections.SCHEMA_INVALID,
            f"type {envelope.type[:80]!r} is not two to four lowercase segments",
        )
    data_type = types.get(documented_type(envelope.type))
    if data_type is None:
        raise UnknownEventType(envelope.type)
    if envelope.version not in ACCEPTED_VERSIONS:
        accepted = ", ".join(ACCEPTED_VERSIONS)
        raise Rejected(
            rejections.UNSUPPORTED_VERSION, f"version {envelope.version!r}; accepted: {accepted}"
        )
    return Event(
        id=_event_id(envelope.id),
        tenant_id=_tenant(envelope),
        timestamp=envelope.timestamp or in_utc(received_at),
        source=envelope.source if isinstance(envelope.source, str) else envelope.source.service,
        data=_typed(envelope.data, data_type),
        metadata=envelope.metadata
        or EventMetadata(correlation_id=envelope.correlation_id, user_id=envelope.user_id),
    )


class Glance(msgspec.Struct, frozen=True, kw_only=True):
    """What can be read from bytes that are no valid event; None: nothing."""

    tenant_id: str | None = None
    event_type: str | None = None
    event_id: str | None = None
    workflow_id: str | None = None
    opportunity_id: str | None = None
    job: str | None = None


def glance(body: bytes) -> Glance:
    """The tenant that `decode_event` would find in these bytes, and the type and ids they state.
    Raises nothing.
    """
    try:
        seen = msgspec.json.decode(body, type=_Glanced)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Glance()
    try:
        data = msgspec.json.decode(seen.data, type=_GlancedData)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        data = _GlancedData()
    tenant, event_id = seen.tenant_id or data.tenant_id, _seen_id(seen.id)
    return Glance(
        tenant_id=_seen_uuid(tenant),
        event_type=documented_type(seen.type)
        if isinstance(seen.type, str) and EVENT_TYPE.fullmatch(seen.type)
        else None,
        event_id=event_id and matching_id(event_id),
        workflow_id=_seen_uuid(data.workflow_id),
        opportunity_id=_seen_id(data.opportunity_id),
        job=_seen_id(data.job),
    )


def _seen_uuid(value: object) -> str | None:
    return canonical_uuid(value) if isinstance(value, str) else None


def _seen_id(value: object) -> str | None:
    text = str(value) if type(value) is int else value
    return text if isinstance(text, str) and 1 <= len(text) <= ID_LENGTH_MAX else None


T = TypeVar("T")


def _decode(body: bytes | msgspec.Raw, decoder: msgspec.json.Decoder[T], at: str = "") -> T:
    try:
        return lenient.decode(body, decoder)
    except msgspec.ValidationError as error:
        raise Rejected(
            rejections.SCHEMA_INVALID, str(error).replace("`$", f"`{at or 'event'}")
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Rejected(rejections.MALFORMED_JSON, str(error) or type(error).__name__) from None


def _refuse_repeated(body: bytes) -> None:
    """Before anything in it is relied on, the type included."""
    try:
        refuse_repeated_keys(body)
    except (RepeatedKey, ValueError, RecursionError) as error:
        raise Rejected(rejections.MALFORMED_JSON, str(error)) from None


def _typed(raw: msgspec.Raw, data_type: type[EventData]) -> EventData:
    """The data; of an opportunity event with all that it carries, as a rule may look
    at any of it.
    """
    data = _decode(raw, _data_decoder(data_type), at="data")
    if not isinstance(data, OpportunityEvent):
        return _carriable(data)
    try:
        carried = _storable(_decode(raw, _object_decoder, at="data"))
        objects = {
            name: _storable(value)
            for name in data.__struct_fields__
            if isinstance(value := getattr(data, name), dict | list)
        }
    except RecursionError:
        raise Rejected(rejections.MALFORMED_JSON, "nested too deep - at `data`") from None
    more = {key: value for key, value in carried.items() if key not in _named_by(data_type)}
    return _carriable(msgspec.structs.replace(data, **objects | {"received": more}))


@cache
def _named_by(data_type: type[EventData]) -> frozenset[str]:
    """The fields of its JSON. Resolving a class's annotations takes longer than decoding an
    event.
    """
    return frozenset(field.encode_name for field in msgspec.structs.fields(data_type))


def _storable(value: Any) -> Any:
    """Integers beyond 64 bits are kept as text: JSON encoders refuse them."""
    match value:
        case dict():
            return {key: _storable(one) for key, one in value.items()}
        case list():
            return [_storable(one) for one in value]
        case int() if value.bit_length() > 63:
            return (
                str(value) if value.bit_length() <= 4096 else "a number of more than 1,000 digits"
            )
    return value


def _tenant(envelope: _IncomingEnvelope) -> str:
    stated = envelope.tenant_id or _decode(envelope.data, _data_tenant_decoder, at="data").tenant_id
    if not stated:
        raise Rejected(
            rejections.UNKNOWN_TENANT, "tenantId is missing, in the envelope and in the data"
        )
    tenant_id = canonical_uuid(stated)
    if tenant_id is None:
        raise Rejected(rejections.UNKNOWN_TENANT, f"tenantId {stated[:80]!r} is not a UUID")
    return tenant_id


def _event_id(stated: str) -> str:
    if not 1 <= len(stated) <= ID_LENGTH_MAX:
        raise Rejected(
            rejections.SCHEMA_INVALID, "id must have 1 to 200 characters - at `event.id`"
        )
    return matching_id(stated)


def _carriable(data: EventData) -> EventData:
    if (why := uncarriable(data)) is not None:
        raise Rejected(rejections.SCHEMA_INVALID, f"{why} - at `data`")
    return data


_encoder = msgspec.json.Encoder()
_incoming_decoder = msgspec.json.Decoder(_IncomingEnvelope)
_object_decoder = msgspec.json.Decoder(dict[str, Any])
_data_tenant_decoder = msgspec.json.Decoder(_DataTenant)
_data_decoders: dict[type[EventData], msgspec.json.Decoder[EventData]] = {}


def _data_decoder(data_type: type[EventData]) -> msgspec.json.Decoder[EventData]:
    if data_type not in _data_decoders:
        _data_decoders[data_type] = msgspec.json.Decoder(data_type)
    return _data_decoders[data_type]
