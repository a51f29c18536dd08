"""What the audit log records of a changed record: the differing fields, without secrets or bulk."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

import msgspec

from blocks.adapters.record_rules import tag
from blocks.contracts.events import JsonObject
from blocks.contracts.records import (
    ApiKeyRecord,
    ApprovalRecord,
    DispatchPolicy,
    ExecutionRecord,
    Record,
    StandInRecord,
    WebhookSubscription,
    WorkflowDefinition,
)
from blocks.contracts.records.audit import AuditChange
from blocks.contracts.records.claims import FeeRecord, PacketRecord, PhaseRecord
from blocks.contracts.records.dead_letters import DeadLetterRecord

VALUE_BYTES_MAX = 2_000
"""Of a larger value the log keeps size and SHA-256: enough to verify one that is shown later."""

CHANGES_BYTES_MAX = 1_000_000
"""Of all the changes of one act; beyond that the log names the records, and leaves out what changed
in them.
"""

_EVERYWHERE = ("id", "tenantId", "kind", "createdAt", "updatedAt")

LEFT_OUT: Mapping[type[Record], tuple[str, ...]] = {
    ExecutionRecord: ("attempt",),
    ApprovalRecord: ("history", "usedLinks", "told", "waits", "settledAt", "nextAt"),
    StandInRecord: (),
    WorkflowDefinition: (),
    DispatchPolicy: (),
    WebhookSubscription: ("secret", "earlierSecrets"),
    ApiKeyRecord: ("digest", "lastUsedAt"),
    DeadLetterRecord: ("history",),
    FeeRecord: (),
    PacketRecord: (),
    PhaseRecord: ("trigger", "nextTrigger", "result"),
}
"""The kinds whose changes are logged, each with the fields left out: secrets and bookkeeping.

Whatever else an act writes (steps, bodies, a tenant's line in the directory) follows from these.
"""

_NOTHING: tuple[Any, ...] = (None, [], {})

_AS_DIGEST = ("input", "results", "context", "formSchema")
"""A tenant's own data: it lies in its record, and the log, which forgets nothing, need not repeat
it.
"""


def is_audited(kind: type[Record]) -> bool:
    return kind in LEFT_OUT


def change_of(
    kind: type[Record], id: str, before: Record | None, after: Record | None
) -> AuditChange | None:
    """What differs; None: nothing that is logged."""
    was, now = _fields(before), _fields(after)
    differ = [name for name in was | now if was.get(name) != now.get(name)]
    is_copy = kind is WorkflowDefinition and WorkflowDefinition.is_earlier(id)
    if not differ or is_copy:
        return None
    return AuditChange(
        kind=tag(kind),
        id=id,
        before={name: was.get(name) for name in differ} if before else None,
        after={name: now.get(name) for name in differ} if after else None,
    )


def fitting(changes: Sequence[AuditChange]) -> list[AuditChange]:
    """The changes as one entry can hold them."""
    if len(msgspec.json.encode(changes)) <= CHANGES_BYTES_MAX:
        return list(changes)
    return [AuditChange(kind=change.kind, id=change.id) for change in changes]


def _fields(record: Record | None) -> JsonObject:
    if record is None:
        return {}
    left_out = {*_EVERYWHERE, *LEFT_OUT[type(record)]}
    fields: JsonObject = msgspec.to_builtins(record)
    return {
        name: _shown(name, value)
        for name, value in fields.items()
        if name not in left_out and value not in _NOTHING
    }


def _shown(name: str, value: Any) -> Any:
    if name == "url":  # what follows the host is often a secret of the receiver
        return origin(value)
    encoded = msgspec.json.encode(value, order="deterministic")
    if name in _AS_DIGEST or len(encoded) > VALUE_BYTES_MAX:
        return {"bytes": len(encoded), "sha256": sha256(encoded).hexdigest()}
    return value


def origin(url: str) -> str:
    """Scheme, host and port."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
