"""The form in which our events go out on the exchange.

Documented is: `version` `1.0.0`, `source` a string, types of up to four segments. The platform's
running library writes `version` `1.0` and `source` as `{service, instance}`, and its validator
refuses everything else: an id in the metadata that is no UUID, a type that has not exactly three
segments. Whatever the form, an event keeps its id, its routing key and its data.
"""

from collections.abc import Mapping
from typing import Literal

import msgspec

from blocks.contracts.events.catalogue import PUBLISHED
from blocks.contracts.reading.moments import Moment
from blocks.contracts.reading.normalised import Normalised
from blocks.contracts.reading.uuids import canonical_uuid

SERVICE = "workflow-orchestrator"
DOCUMENTED_VERSION = "1.0.0"
LIBRARY_VERSION = "1.0"

SourceForm = Literal["text", "object"]
TypeForm = Literal["documented", "three-segments"]


class Form(msgspec.Struct, frozen=True):
    """How envelopes are published; by default as documented."""

    source: SourceForm = "text"
    types: TypeForm = "documented"

    @property
    def version(self) -> str:
        return DOCUMENTED_VERSION if self.source == "text" else LIBRARY_VERSION

    def type_of(self, event_type: str) -> str:
        """The type that the envelope states; the routing key is the documented one in every form,
        as consumers have bound their queues to it.
        """
        return event_type if self.types == "documented" else _in_three.get(event_type, event_type)


AS_DOCUMENTED = Form()


class Source(msgspec.Struct, frozen=True):
    """Who publishes, as the platform's running library writes it."""

    service: str = SERVICE
    # Names the installation and no process: what is published again after a crash is the same.
    instance: str = SERVICE


class LibraryMetadata(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Each is a UUID, or left out."""

    correlation_id: str | None = None
    causation_id: str | None = None
    user_id: str | None = None


class FormedEnvelope(Normalised, frozen=True, kw_only=True, rename="camel"):
    """An envelope in any form; its data stays as it was encoded."""

    id: str
    type: str
    timestamp: Moment
    tenant_id: str
    data: msgspec.Raw
    version: str
    source: str | Source
    metadata: LibraryMetadata | msgspec.UnsetType = msgspec.UNSET


def in_form(body: bytes, form: Form) -> bytes:
    """The event of ours in these bytes, in this form; bytes of any other kind as they are."""
    try:
        envelope = _decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return body
    if envelope.source != SERVICE or envelope.type not in PUBLISHED:
        return body
    formed = msgspec.structs.replace(envelope, type=form.type_of(envelope.type))
    if form.source == "object":
        formed = msgspec.structs.replace(
            formed,
            version=form.version,
            source=Source(),
            metadata=_readable(envelope.metadata),
        )
    return _encoder.encode(formed)


def documented_type(stated: str) -> str:
    """The documented name of a type that may be written in three segments."""
    return _of_three.get(stated, stated)


def _readable(
    metadata: LibraryMetadata | msgspec.UnsetType,
) -> LibraryMetadata | msgspec.UnsetType:
    """What of it the library reads: one id that is no UUID would have the whole event refused."""
    if metadata is msgspec.UNSET:
        return msgspec.UNSET
    stated = msgspec.structs.asdict(metadata)
    readable = LibraryMetadata(
        **{name: canonical_uuid(value) for name, value in stated.items() if value}
    )
    return readable if readable != LibraryMetadata() else msgspec.UNSET


def _three_segments(event_type: str) -> str:
    """`workflow.risk_analysis.requested` for `workflow.risk.analysis.requested`; numbers are
    spelled, as the library takes no digits: `workflow.phase_one.started`.
    """
    first, *between, last = event_type.split(".")
    return ".".join((first, "_".join(_DIGITS.get(part, part) for part in between), last))


_DIGITS: Mapping[str, str] = {
    str(digit): name
    for digit, name in enumerate(
        ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
    )
}
_in_three: Mapping[str, str] = {
    event_type: _three_segments(event_type) for event_type in PUBLISHED if event_type.count(".") > 2
}
_of_three = {short: documented for documented, short in _in_three.items()}
_decoder, _encoder = msgspec.json.Decoder(FormedEnvelope), msgspec.json.Encoder()
