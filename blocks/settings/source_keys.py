"""Keys of the orchestrator that this one replaces: which of our settings each of them is.

Most are called as ours; here is what is not. docs/deploy.md has the whole table.
"""

from collections.abc import Mapping, MutableMapping
from typing import Any

import msgspec

from blocks.contracts.events import CONSUMED
from blocks.settings.keys import Key, dotted
from blocks.settings.sections import BadSetting, Note

MOVED: Mapping[Key, Key] = {
    ("jwt", "secret"): ("auth", "jwt_secret"),
    ("jwt", "issuer"): ("auth", "jwt_issuer"),
    ("jwt", "audience"): ("auth", "jwt_audience"),
    ("features", "hitl_approvals"): ("feature_flags", "hitl_approvals"),
}
"""Their key, and ours."""

WITHOUT_EFFECT: Mapping[Key, str] = {
    ("application_insights", "connection_string"): (
        "traces and metrics go to tracing.otlp_endpoint (OTEL_EXPORTER_OTLP_ENDPOINT) and /metrics"
    ),
    ("application_insights", "disable"): (
        "nothing is sent there; tracing.otlp_endpoint switches tracing on"
    ),
    ("jwt", "expiration"): "no tokens are issued here, and the `exp` of each one counts",
}
"""Known keys that set nothing here, and why."""

REQUIRE_AUTH: Key = ("metrics", "require_auth")
BINDINGS: Key = ("rabbitmq", "bindings")
APART = (REQUIRE_AUTH, BINDINGS)
"""Read with others: `settle`."""

_ON_API_PORT: Key = ("metrics", "on_api_port")
_TOKEN: Key = ("metrics", "bearer_token")
_QUEUE: Key = ("rabbitmq", "queue")
_JOBS_QUEUE: Key = ("rabbitmq", "batch_jobs_queue")
_BATCH_WORKERS_QUEUE = "bi_batch_jobs"


def settle(
    stated: Mapping[Key, Any], values: MutableMapping[Key, Any], environment: Mapping[str, str]
) -> list[Note]:
    """`values` hold what the keys of `APART` come to; `stated` are those of the file, filled.

    Raises `BadSetting`.
    """
    notes = _metrics(stated, values, environment)
    notes += _queue(stated, values)
    return notes + _bindings(stated, str(values[_QUEUE]))


def _metrics(
    stated: Mapping[Key, Any], values: MutableMapping[Key, Any], environment: Mapping[str, str]
) -> list[Note]:
    if REQUIRE_AUTH not in stated:
        return []
    required, has_token = _flag(REQUIRE_AUTH, stated[REQUIRE_AUTH]), bool(values[_TOKEN])
    if required and not has_token:
        raise BadSetting(
            "setting metrics.require_auth is true, and metrics.bearer_token (METRICS_BEARER_TOKEN) "
            "is empty: set the token"
        )
    if required and _ON_API_PORT not in stated and not environment.get("METRICS_ON_API_PORT"):
        values[_ON_API_PORT] = True
        return [
            Note("info", "metrics.require_auth: /metrics is open on the API's port with the token")
        ]
    if not required and has_token:
        return [
            Note("info", "metrics.require_auth is false; metrics.bearer_token is set and required")
        ]
    return []


def _flag(key: Key, value: object) -> bool:
    try:
        return msgspec.convert(value, bool, strict=False)
    except msgspec.ValidationError:
        raise BadSetting(f"setting {dotted(key)} is {value!r}: expected true or false") from None


def _queue(stated: Mapping[Key, Any], values: MutableMapping[Key, Any]) -> list[Note]:
    """The queue of the batch workers is never ours, also where a file calls it `queue`."""
    named = stated.get(_QUEUE)
    if named is None or named not in (values[_JOBS_QUEUE], _BATCH_WORKERS_QUEUE):
        return []
    values[_JOBS_QUEUE], values[_QUEUE] = named, "workflow_orchestrator_service"
    return [
        Note(
            "warning",
            f"rabbitmq.queue is {named}, which the batch workers read: taken for "
            f"rabbitmq.batch_jobs_queue; the listener reads {values[_QUEUE]}",
        )
    ]


def _bindings(stated: Mapping[Key, Any], queue: str) -> list[Note]:
    if BINDINGS not in stated:
        return []
    listed = stated[BINDINGS]
    if listed is not None and not (
        isinstance(listed, list) and all(isinstance(one, str) for one in listed)
    ):
        raise BadSetting("setting rabbitmq.bindings: expected a list of routing keys")
    listed = listed or []
    strange = [one for one in dict.fromkeys(listed) if one not in CONSUMED]
    beside = [one for one in CONSUMED if one not in listed]
    if strange:
        return [
            Note(
                "warning",
                f"rabbitmq.bindings: {', '.join(strange)} is not bound to {queue}: nothing here "
                f"consumes it; bound are {', '.join(CONSUMED)}",
            )
        ]
    if beside:
        return [Note("info", f"rabbitmq.bindings: bound to {queue} besides: {', '.join(beside)}")]
    return []
