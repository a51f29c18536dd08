"""The headers of answers, in one table: what the document states of each, and where it comes."""

from collections.abc import Callable, Mapping

import msgspec

from api.idempotency import HEADER, REPLAYED_HEADER
from blocks.contracts.events import JsonObject

VERSIONED = frozenset(
    {
        "Approval",
        "ChangedWebhook",
        "CreatedWebhook",
        "DeadLetter",
        "Definition",
        "StandIn",
        "Webhook",
    }
)
"""Bodies that come with the `ETag` of their record."""

CREATED = frozenset(
    {"Approval", "CreatedKey", "CreatedWebhook", "Execution", "JobTriggered", "StandIn"}
)
"""Bodies that come with the `Location` of what was created."""


class Place(msgspec.Struct, frozen=True):
    """One answer of the document."""

    status: int
    operation: JsonObject
    response: JsonObject
    is_own_read: bool = False
    """Of a GET that is no other system's: its JSON has an `ETag`."""

    @property
    def is_success(self) -> bool:
        return self.status < 300

    @property
    def is_refusal(self) -> bool:
        """One of our errors; `/ready` answers 503 in its own form."""
        return self.status >= 400 and "Readiness" not in self.bodies

    @property
    def is_public(self) -> bool:
        return self.operation.get("security") == [{}]

    @property
    def takes_key(self) -> bool:
        return any(one["name"] == HEADER for one in self.operation.get("parameters", ()))

    @property
    def bodies(self) -> set[str]:
        """Names of the schemas of the body."""
        schemas = (media.get("schema", {}) for media in self.response.get("content", {}).values())
        return {schema["$ref"].rpartition("/")[2] for schema in schemas if "$ref" in schema}


class SentHeader(msgspec.Struct, frozen=True, kw_only=True):
    """A header, and the answers that may carry it; on those of `always` it is never missing."""

    name: str
    description: str
    example: str | int
    sent: Callable[[Place], bool]
    always: Callable[[Place], bool] = lambda _: False

    def documented(self) -> JsonObject:
        kind = "integer" if isinstance(self.example, int) else "string"
        return {
            "description": self.description,
            "schema": {"type": kind},
            "example": self.example,
        }


def _is_limited(place: Place) -> bool:
    """Requests are counted once it is known whose they are: few 401 carry these."""
    return not place.is_public


def _is_deprecated(place: Place) -> bool:
    return bool(place.operation.get("deprecated"))


def _has_version(place: Place) -> bool:
    content = place.response.get("content", {})
    is_read = place.is_own_read and place.status == 200 and "application/json" in content
    return is_read or (place.is_success and bool(place.bodies & VERSIONED))


def _is_creation(place: Place) -> bool:
    return place.status in (201, 202) and bool(place.bodies & CREATED)


SENT = (
    SentHeader(
        name="X-Request-ID",
        description="The id of the request: the one that was sent, or a new one; the log has it.",
        example="2f1c9a52-7c0b-4b7e-9d0b-6f1f0a3f7a10",
        sent=lambda place: True,
        always=lambda place: True,
    ),
    SentHeader(
        name="RateLimit-Policy",
        description="The limit and its window in seconds.",
        example="6000; w=60",
        sent=_is_limited,
    ),
    SentHeader(
        name="RateLimit-Limit",
        description="Requests that the tenant may make in a window.",
        example=6000,
        sent=_is_limited,
    ),
    SentHeader(
        name="RateLimit-Remaining",
        description="Requests that are left in this window.",
        example=5998,
        sent=_is_limited,
    ),
    SentHeader(
        name="RateLimit-Reset",
        description="Seconds until the window ends.",
        example=41,
        sent=_is_limited,
    ),
    SentHeader(
        name="ETag",
        description="The version of what is answered, for `If-Match` and `If-None-Match`.",
        example='"3"',
        sent=_has_version,
        always=_has_version,
    ),
    SentHeader(
        name="Location",
        description="The path of what was created.",
        example="/api/v1/executions/47b1fc66-c281-510f-8db8-94ceed8cee8f",
        sent=_is_creation,
        always=_is_creation,
    ),
    SentHeader(
        name=REPLAYED_HEADER,
        description="`true`: this is the first answer again, to a repeated `Idempotency-Key`.",
        example="true",
        sent=lambda place: (
            place.takes_key and (place.is_success or place.status in (409, 410, 422))
        ),
    ),
    SentHeader(
        name="Retry-After",
        description="Seconds after which the request may be sent again.",
        example=5,
        sent=lambda place: place.status in (409, 429, 503) and place.is_refusal,
        always=lambda place: place.status in (429, 503) and place.is_refusal,
    ),
    SentHeader(
        name="WWW-Authenticate",
        description="How to show a credential.",
        example="Bearer",
        sent=lambda place: place.status == 401,
        always=lambda place: place.status == 401,
    ),
    SentHeader(
        name="Deprecation",
        description="Since when the route is deprecated (RFC 9745).",
        example="@1795219200",
        sent=_is_deprecated,
    ),
    SentHeader(
        name="Link",
        description="The route to use instead, as `successor-version`.",
        example='</api/v1/hitl/approvals>; rel="successor-version", </docs>; rel="deprecation"',
        sent=_is_deprecated,
    ),
    SentHeader(
        name="Content-Disposition",
        description="The name of the file (RFC 6266).",
        example='attachment; filename="proof_packet_42.zip"',
        sent=lambda place: "application/zip" in place.response.get("content", {}),
        always=lambda place: "application/zip" in place.response.get("content", {}),
    ),
)
"""There is no `Sunset`: no deprecated route has an end date."""


IF_NONE_MATCH: JsonObject = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "The `ETag` of what the client knows: if it is still that, 304 without a body.",
    "schema": {"type": "string"},
}


def header_components() -> Mapping[str, JsonObject]:
    """By name."""
    return {header.name: header.documented() for header in SENT}


def headers_at(place: Place) -> Mapping[str, JsonObject]:
    """References to the headers that this answer may carry."""
    return {
        header.name: {"$ref": f"#/components/headers/{header.name}"}
        for header in SENT
        if header.sent(place)
    }
